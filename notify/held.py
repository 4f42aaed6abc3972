"""Held messages: nobody knows whether they were sent, and a person decides.

Sent again, a message starts over in its lane, at the risk of a duplicate. Marked as sent it is at its end, and whoever
sent it is told so. Both ask whether it is still held where they write: of two who decide at once, one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from channels import signals
from channels.names import split_lane
from notify import claims, content, lanes, outcomes, reports
from notify.ids import new_id
from notify.loading import insert
from notify.models.delivery import Delivery, DeliveryKind, DeliveryStatus
from notify.models.event import EventType
from notify.reports import Recorded
from notify.rows import Claimed, EventRow, Outcome

#: Rows of one transaction: locks stay short, however many are decided on.
PORTION: Final = 1000
_AGAIN: Final = "held: a person had it sent again"
_MARKED: Final = "held: a person knows that it was sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFilter:
    """Which held messages are meant; what is None says nothing. ``held_before``: since when they are."""

    channel: str | None = None
    provider: str | None = None
    error_code: str | None = None
    application_id: int | None = None
    held_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a decision: how many were meant, and how many of these were still held."""

    matched: int = 0
    done: int = 0


def matching(where: HeldFilter) -> QuerySet[Delivery]:
    """The held messages that are meant."""
    criteria = {
        "channel": where.channel,
        "provider": where.provider,
        "error_code": where.error_code,
        "application_id": where.application_id,
        "finished_at__lt": where.held_before,
    }
    return Delivery.objects.filter(
        status=DeliveryStatus.HELD, **{name: value for name, value in criteria.items() if value is not None}
    )


def resend(*, ids: Sequence[UUID], actor: str, now: datetime) -> Decided:
    """Brings held messages back to their lanes with fresh attempts and fresh time. Each thousand is a transaction of
    its own, unless the caller has one open."""
    return _in_portions(ids, partial(_resend, actor=actor, now=now))


def _resend(ids: Sequence[UUID], *, actor: str, now: datetime) -> int:
    rows = Delivery.objects.filter(id__in=ids, status=DeliveryStatus.HELD).order_by("id")
    held = {row.id: row for row in rows.only("id", "notification_id", "channel", "lane", "kind").select_for_update()}
    back: set[UUID] = set()
    for priority, ttl in settings.NOTIFY["DEFAULT_TTL"].items():
        of_priority = [identifier for identifier, row in held.items() if split_lane(row.lane)[1] == priority]
        back |= lanes.requeue(ids=of_priority, from_statuses=[DeliveryStatus.HELD], deadline=now + ttl, now=now)
    events = [
        EventRow(
            new_id(),
            row.notification_id,
            identifier,
            EventType.REPLAYED if row.kind == DeliveryKind.MESSAGE else EventType.CALLBACK,
            channel=row.channel,
            actor=actor,
            reason=_AGAIN,
        )
        for identifier, row in held.items()
        if identifier in back
    ]
    insert("notify_event", EventRow._fields, events)
    _tell("held.resent", sorted(back), actor)
    return len(back)


def mark_sent(*, ids: Sequence[UUID], actor: str, now: datetime) -> Decided:
    """Ends held messages as sent; their applications are told. Transactions as for ``resend``."""
    return _in_portions(ids, partial(_mark_sent, actor=actor, now=now))


def _mark_sent(ids: Sequence[UUID], *, actor: str, now: datetime) -> int:
    lease = uuid4()
    claimed = _take(ids, lease)
    facts_of = content.facts_of(claimed)
    settled: list[Outcome] = []
    told: list[Recorded] = []
    for one in claimed:
        event = outcomes.event_row(one, EventType.MARKED_SENT, _MARKED)._replace(actor=actor)
        outcome = Outcome(
            id=one.id, status=DeliveryStatus.SENT, provider=one.provider, sent_at=now, finished_at=now, events=(event,)
        )
        facts = facts_of.get(one.notification_id)
        if facts is not None:
            outcome = outcomes.tell(one, facts, outcome, now)
            told.append((one, facts, outcome))
        settled.append(outcome)
    written = lanes.record(outcomes=settled, lease=lease, now=now)
    for lane in {one.lane for one in claimed}:
        recorded = [row for row in told if row[0].lane == lane]
        transaction.on_commit(partial(reports.tell, recorded=recorded, results=(), lane=lane, now=now))
    _tell("held.marked_sent", sorted(written), actor)
    return len(written)


def _in_portions(ids: Sequence[UUID], decide: Callable[[Sequence[UUID]], int]) -> Decided:
    done = 0
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), PORTION):
        with transaction.atomic():
            done += decide(wanted[start : start + PORTION])
    return Decided(matched=len(wanted), done=done)


def _tell(action: str, ids: Sequence[UUID], actor: str) -> None:
    """Tells what was decided on, last in its transaction. Each message has it in its own timeline as well."""
    if ids:
        target = f"delivery:{ids[0]}" if len(ids) == 1 else f"deliveries:{ids[0]}…{ids[-1]}"
        signals.send_changed(action=action, target=target, after={"count": len(ids)}, actor=actor)


def _take(ids: Sequence[UUID], lease: UUID) -> list[Claimed]:
    """Held messages, as if claimed, until the end of the transaction: what becomes of them is written as ever."""
    parameters = {
        "ids": list(ids),
        "first": min(ids),
        "last": max(ids),
        "lease": lease,
        "lease_s": settings.LANES["LEASE_S"],
    }
    return claims.claimed_by("take_held", parameters)
