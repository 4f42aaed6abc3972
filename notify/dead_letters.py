"""Dead letters: bury is done where a delivery ends (``notify.outcomes``); here a person replays or discards.

Replay brings the same delivery back to its lane, with the attempts it had. A delivery that is alive can't be replayed
again: the open dead letter is closed and the delivery brought back in one transaction, and both are checked there. The
letters are locked first, and in the order of their ids, as receipts do it (``notify.reported``), which close those of
what has arrived after all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from channels import signals
from channels.names import split_lane
from notify import lanes
from notify.ids import new_id
from notify.kinds import of_kind
from notify.loading import insert
from notify.models import Application, DeadLetter
from notify.models.dead_letter import DeadLetterState
from notify.models.delivery import DeliveryStatus
from notify.models.event import EventType
from notify.rows import EventRow

#: Rows of one transaction: locks stay short, however many are to be replayed.
_PORTION: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which open dead letters are meant; what is None says nothing."""

    channel: str | None = None
    reason: str | None = None
    provider: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A dead letter left alone, and why: ``unknown``, ``alive``, ``already_replayed``, ``already_discarded``, or
    ``already_delivered``, as its provider has reported."""

    id: UUID
    reason: str


@dataclass(slots=True)
class Resolution:
    """What came of a replay or a discard."""

    matched: int = 0
    done: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def replay(
    *,
    actor: str,
    now: datetime,
    application: Application | None = None,
    is_test: bool | None = None,
    ids: Sequence[UUID] | None = None,
    where: DeadLetterFilter | None = None,
    at_most: int | None = None,
) -> Resolution:
    """Brings dead letters back to their lanes: those of ``ids``, or all open ones that match ``where`` (the oldest
    ``at_most`` of them), of ``application`` or, without one, of all; with ``is_test`` only what test keys sent, or only
    what they did not. Each thousand is a transaction of its own, unless the caller has one open."""
    among = _among(application, is_test)
    wanted = _wanted(among, ids=ids, where=where, now=now, at_most=at_most)
    return _resolve(DeadLetterState.REPLAYED, wanted, actor=actor, now=now, among=among)


def discard(
    *,
    actor: str,
    now: datetime,
    application: Application | None = None,
    is_test: bool | None = None,
    ids: Sequence[UUID] | None = None,
    where: DeadLetterFilter | None = None,
    at_most: int | None = None,
) -> Resolution:
    """Closes dead letters for good; their deliveries stay dead. Arguments as for ``replay``."""
    among = _among(application, is_test)
    wanted = _wanted(among, ids=ids, where=where, now=now, at_most=at_most)
    return _resolve(DeadLetterState.DISCARDED, wanted, actor=actor, now=now, among=among)


def _among(application: Application | None, is_test: bool | None) -> QuerySet[DeadLetter]:
    """All that whoever asks may act on."""
    rows = DeadLetter.objects.all() if application is None else DeadLetter.objects.filter(application=application)
    return rows if is_test is None else of_kind(rows, is_test=is_test)


def _resolve(
    state: DeadLetterState, wanted: Sequence[UUID], *, actor: str, now: datetime, among: QuerySet[DeadLetter]
) -> Resolution:
    resolution = Resolution()
    for start in range(0, len(wanted), _PORTION):
        portion = wanted[start : start + _PORTION]
        with transaction.atomic():
            _resolve_portion(state, portion, actor, now, among, resolution)
    return resolution


def _wanted(
    among: QuerySet[DeadLetter],
    *,
    ids: Sequence[UUID] | None,
    where: DeadLetterFilter | None,
    now: datetime,
    at_most: int | None,
) -> list[UUID]:
    if ids is not None:
        return list(dict.fromkeys(ids))
    return list(_matching(among, where or DeadLetterFilter(), now)[:at_most])


def _matching(among: QuerySet[DeadLetter], where: DeadLetterFilter, now: datetime) -> QuerySet[DeadLetter, UUID]:
    rows = among.filter(state=DeadLetterState.OPEN, created_at__lte=now)
    criteria = {
        "channel": where.channel,
        "reason": where.reason,
        "provider": where.provider,
        "created_at__gte": where.created_after,
        "created_at__lt": where.created_before,
    }
    rows = rows.filter(**{name: value for name, value in criteria.items() if value is not None})
    return rows.order_by("id").values_list("id", flat=True)


def _resolve_portion(
    state: DeadLetterState,
    portion: Sequence[UUID],
    actor: str,
    now: datetime,
    among: QuerySet[DeadLetter],
    resolution: Resolution,
) -> None:
    found = {row.id: row for row in among.select_for_update().filter(id__in=portion).order_by("id")}
    opened = [row for row in found.values() if row.state == DeadLetterState.OPEN]
    resolution.matched += len(found)
    resolution.skipped += [Skipped(identifier, "unknown") for identifier in portion if identifier not in found]
    closed = [row for row in found.values() if row.state != DeadLetterState.OPEN]
    resolution.skipped += [Skipped(row.id, f"already_{row.state}") for row in closed]
    if state == DeadLetterState.REPLAYED:
        alive = _bring_back(opened, now)
        resolution.skipped += [Skipped(row.id, "alive") for row in opened if row.delivery_id not in alive]
        opened = [row for row in opened if row.delivery_id in alive]
    DeadLetter.objects.filter(id__in=[row.id for row in opened]).update(state=state, resolved_at=now, resolved_by=actor)
    type_ = EventType.REPLAYED if state == DeadLetterState.REPLAYED else EventType.DISCARDED
    events = [
        EventRow(new_id(), row.notification_id, row.delivery_id, type_, channel=row.channel, actor=actor)
        for row in opened
    ]
    insert("notify_event", EventRow._fields, events)
    resolution.done += len(opened)
    if opened:
        _tell(state, opened, actor)


def _tell(state: DeadLetterState, rows: Sequence[DeadLetter], actor: str) -> None:
    """Tells what was done with ``rows``. Each of them has it in its own timeline as well."""
    ids = [str(row.id) for row in rows]
    where = Counter(f"{row.channel}, {row.reason}" for row in rows)
    signals.send_changed(
        action=f"dead_letters.{state}",
        target=f"dead_letter:{ids[0]}" if len(ids) == 1 else f"dead_letters:{ids[0]}…{ids[-1]}",
        after={"count": len(ids), "of": dict(where)},
        actor=actor,
    )


def _bring_back(rows: Sequence[DeadLetter], now: datetime) -> set[UUID]:
    """Requeues the deliveries of ``rows``, each with a new deadline by its priority; returns those that came back."""
    by_priority: dict[str, list[UUID]] = {}
    for row in rows:
        by_priority.setdefault(split_lane(row.lane)[1], []).append(row.delivery_id)
    back: set[UUID] = set()
    for priority, ids in by_priority.items():
        deadline = now + settings.NOTIFY["DEFAULT_TTL"][priority]
        back |= lanes.requeue(ids=ids, from_statuses=[DeliveryStatus.DEAD], deadline=deadline, now=now)
    return back
