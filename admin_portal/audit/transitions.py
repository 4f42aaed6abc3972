"""What the engine did, brought into the audit: its own log (``DegradationEvent``) is written by drains in the middle of
sending, which must not wait for the chain. So the log is read
here, every few seconds, and each event becomes one entry."""

from __future__ import annotations

import time
from datetime import datetime
from typing import ClassVar, Final

from django.db import transaction

from admin_portal.audit import recording
from admin_portal.models import AuditEntry
from channels.acting import ENGINE
from channels.models import DegradationEvent

ACTION: Final = "standing.changed"
#: So many of the newest entries are compared with the log. An event whose transaction was slow appears after events
#: with larger numbers; no transaction of ours lasts as long as so many changes take.
_WINDOW: Final = 500
_AT_ONCE: Final = 100
#: While no event has a larger number than before, a slow one may still appear: look this often.
_LOOK_AGAIN_S: Final = 10.0


class _Seen:
    """What this process saw last, so that it asks no more than one question a time of a log that is at rest."""

    newest: ClassVar[int | None] = None
    looked_at: ClassVar[float] = float("-inf")


def take_over() -> int:
    """Makes entries of the events that have none yet, the oldest first; returns how many. Each event becomes one entry,
    whoever else does this at the same time, and whatever crashes."""
    newest = DegradationEvent.objects.order_by("-id").values_list("id", flat=True).first()
    is_fresh = time.monotonic() - _Seen.looked_at < _LOOK_AGAIN_S
    if newest is None or (newest == _Seen.newest and is_fresh):
        return 0
    with transaction.atomic():
        recording.take_turn()
        missing = _missing()
        for event in missing:
            _record(event)
    if len(missing) < _AT_ONCE:
        _Seen.newest, _Seen.looked_at = newest, time.monotonic()
    return len(missing)


def _missing() -> list[DegradationEvent]:
    taken = AuditEntry.objects.filter(action=ACTION).order_by("-number").values_list("after__event", flat=True)
    known = [int(event) for event in taken[:_WINDOW]]
    floor = min(known) if len(known) == _WINDOW else 0
    rows = DegradationEvent.objects.filter(id__gt=floor).exclude(id__in=known)
    return list(rows.order_by("id")[:_AT_ONCE])


def _record(event: DegradationEvent) -> AuditEntry:
    at: datetime = event.at
    return recording.record(
        actor=ENGINE.name,
        action=ACTION,
        target=event.target,
        before={"state": event.before, "share": event.share_before},
        after={
            "state": event.after,
            "share": event.share_after,
            "event": event.pk,
            "source": event.source,
            "figures": event.figures,
        },
        reason=event.reason,
        now=at,
    )
