"""A notification's way, stage by stage: for each delivery what it went through, and how long each part took. Pure.

The timeline below it on the page tells every event; this is its outline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from admin_portal.durations import span
from admin_portal.outcome_words import outcome
from notify.models import Attempt, Delivery, DeliveryKind, DeliveryStatus, Notification
from notify.models.delivery import IN_FLIGHT

#: Icon and tone of the stage that a delivery is in.
_LOOKS: Final = {
    DeliveryStatus.SCHEDULED: ("calendar_clock", "calm"),
    DeliveryStatus.QUEUED: ("hourglass_top", "calm"),
    DeliveryStatus.SENDING: ("send", "calm"),
    DeliveryStatus.SENT: ("done", "good"),
    DeliveryStatus.DELIVERED: ("done_all", "good"),
    DeliveryStatus.FAILED: ("close", "bad"),
    DeliveryStatus.DEAD: ("report", "bad"),
    DeliveryStatus.EXPIRED: ("timer_off", "bad"),
    DeliveryStatus.CANCELLED: ("cancel", "warm"),
    DeliveryStatus.SUPPRESSED: ("notifications_off", "warm"),
    DeliveryStatus.HELD: ("pause_circle", "warm"),
}
#: Of more tries than this, those in the middle are one stage.
_TRIES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One thing that a delivery went through. ``after``: how long after the stage before it. ``is_open``: it is still
    in it."""

    title: Any
    icon: str
    tone: str
    at: datetime
    after: str = ""
    detail: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The stages of one delivery. ``took``: from the first to the last of them."""

    channel: str
    stages: Sequence[Stage]
    took: str


def draw(
    notification: Notification, deliveries: Iterable[Delivery], attempts: Sequence[Attempt], *, now: datetime
) -> list[Way]:
    """The way of each message, in the order in which they began. Status callbacks are left to the timeline."""
    messages = [delivery for delivery in deliveries if delivery.kind == DeliveryKind.MESSAGE]
    ways = []
    for delivery in sorted(messages, key=lambda one: (one.step, one.id)):
        own = sorted((one for one in attempts if one.delivery_id == delivery.id), key=lambda one: one.started_at)
        stages = _timed(list(_stages(notification, delivery, own, now)))
        took = (stages[-1].at - stages[0].at).total_seconds()
        ways.append(Way(channel=delivery.channel, stages=stages, took=_length(took)))
    return ways


def _stages(
    notification: Notification, delivery: Delivery, attempts: Sequence[Attempt], now: datetime
) -> Iterator[Stage]:
    first = delivery.created_at - notification.created_at < timedelta(seconds=1)
    title = _("accepted") if first else _("this channel's turn")
    yield Stage(title=title, icon="login" if first else "alt_route", tone="calm", at=delivery.created_at)
    due = notification.send_at
    if first and due is not None and delivery.created_at < due <= now:
        yield Stage(title=_("due"), icon="calendar_clock", tone="calm", at=due)
    if attempts:
        yield Stage(title=_("claimed"), icon="front_hand", tone="calm", at=attempts[0].claimed_at)
    yield from _tries(attempts)
    yield from _end(delivery, now)


def _tries(attempts: Sequence[Attempt]) -> Iterator[Stage]:
    asked = [one for one in attempts if one.provider]
    if len(asked) <= _TRIES_SHOWN:
        yield from map(_try, asked)
        return
    yield _try(asked[0])
    others = asked[1:-1]
    text = ngettext("%(count)d more try", "%(count)d more tries", len(others)) % {"count": len(others)}
    names = ", ".join(dict.fromkeys(one.provider for one in others))
    yield Stage(title=text, icon="replay", tone="warm", at=_ended(others[-1]), detail=names)
    yield _try(asked[-1])


def _try(attempt: Attempt) -> Stage:
    good = attempt.outcome == "sent"
    return Stage(
        title=attempt.provider,
        icon="cell_tower",
        tone="good" if good else "bad",
        at=_ended(attempt),
        detail=_("took it") if good else outcome(attempt.outcome),
    )


def _ended(attempt: Attempt) -> datetime:
    return attempt.started_at + timedelta(milliseconds=attempt.latency_ms)


def _end(delivery: Delivery, now: datetime) -> Iterator[Stage]:
    status = DeliveryStatus(delivery.status)
    icon, tone = _LOOKS[status]
    if status in IN_FLIGHT:
        waits = delivery.due_at > now
        detail = _("until %(at)s") % {"at": f"{localtime(delivery.due_at):%H:%M:%S}"} if waits else ""
        yield Stage(title=status.label, icon=icon, tone=tone, at=now, detail=detail, is_open=True)
        return
    sent = DeliveryStatus.SENT
    if status is DeliveryStatus.DELIVERED and delivery.sent_at not in (None, delivery.delivered_at):
        yield Stage(title=sent.label, icon=_LOOKS[sent][0], tone="good", at=delivery.sent_at)
    at = delivery.delivered_at or delivery.finished_at or delivery.sent_at or now
    yield Stage(title=status.label, icon=icon, tone=tone, at=at, detail=outcome(delivery.error_code))


def _timed(stages: Sequence[Stage]) -> list[Stage]:
    """Each with the time since the one before; hosts' clocks may disagree by a little, and nothing goes backwards."""
    timed = [stages[0]]
    for stage in stages[1:]:
        at = max(stage.at, timed[-1].at)
        timed.append(replace(stage, at=at, after=_length((at - timed[-1].at).total_seconds())))
    return timed


def _length(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else span(seconds)
