"""A notification's timeline as it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from admin_portal.durations import span
from admin_portal.engine_words import told
from admin_portal.outcome_words import outcome
from admin_portal.privacy import Curtain
from notify import timeline
from notify.models import Notification
from notify.models.event import EventType
from notify.queries import History

TITLES: Final[dict[str, Any]] = {
    **dict(EventType.choices),
    "accepted": _("accepted"),
    "scheduled": _("scheduled"),
    "queued": _("queued"),
    "claimed": _("claimed by a worker"),
    "attempted": _("attempted"),
    "retried": _("to be tried again"),
    "suppressed": _("suppressed"),
}
#: Icon and tone of each kind of event; the tone is a class of the style sheet.
LOOKS: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("login", "good"),
    "scheduled": ("calendar_clock", "calm"),
    "queued": ("hourglass_top", "calm"),
    "claimed": ("front_hand", "calm"),
    "attempted": ("send", "calm"),
    "retried": ("replay", "warm"),
    "switched": ("alt_route", "warm"),
    "receipt": ("mark_email_read", "good"),
    "callback": ("webhook", "calm"),
    "cancelled": ("cancel", "warm"),
    "expired": ("timer_off", "bad"),
    "buried": ("report", "bad"),
    "replayed": ("restart_alt", "good"),
    "discarded": ("delete", "warm"),
    "held": ("pause_circle", "warm"),
    "marked_sent": ("done", "good"),
    "released": ("lock_open", "warm"),
    "suppressed": ("notifications_off", "warm"),
}
_GOOD_OUTCOMES: Final = frozenset({"sent", "delivered"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event of the drawn timeline."""

    at: datetime
    new_day: bool
    title: Any
    icon: str
    tone: str
    channel: str
    provider: str
    attempt: int | None
    outcome: str
    reason: str
    actor: str
    elapsed: str


def elapsed(milliseconds: int) -> str:
    """``+340 ms``, ``+12 s``, ``+3 min 20 s``; empty for nothing."""
    if milliseconds <= 0:
        return ""
    return f"+{milliseconds} ms" if milliseconds < 1000 else f"+{span(milliseconds / 1000)}"


def _line(event: timeline.TimelineEvent, before: timeline.TimelineEvent | None, curtain: Curtain) -> Line:
    icon, tone = LOOKS.get(event.type, ("circle", "calm"))
    if event.type in ("attempted", "callback", "receipt") and event.outcome:
        tone = "good" if event.outcome in _GOOD_OUTCOMES else "bad"
    return Line(
        at=event.at,
        new_day=before is None or localtime(before.at).date() != localtime(event.at).date(),
        title=TITLES.get(event.type, event.type),
        icon=icon,
        tone=tone,
        channel=event.channel or "",
        provider=event.provider or "",
        attempt=event.attempt,
        outcome=outcome(event.outcome or ""),
        reason=told(curtain.text(event.reason or "")),
        actor=event.actor or "",
        elapsed=elapsed(event.elapsed_ms),
    )


def tell(notification: Notification, history: History, curtain: Curtain) -> list[Line]:
    """The events of ``notification``, oldest first, as ``curtain`` lets them be seen."""
    events = timeline.build(notification, history.deliveries, history.attempts, history.events)
    return [_line(event, before, curtain) for before, event in zip([None, *events], events, strict=False)]
