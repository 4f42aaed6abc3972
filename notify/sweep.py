"""The sweep: what keeps the lanes honest when nothing else does.

Every second: leases that ran out are decided upon, overdue deliveries of lanes that stand still are accounted for, and
every lane with due work is rung. Any process may sweep, several at once: rows are taken with SKIP LOCKED.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import ClassVar, Final
from uuid import UUID, uuid4

from django.conf import settings

from channels.errors import OutcomeUnknown
from notify import content, dispatch, lanes, outcomes, reports, signals
from notify.facts import Facts
from notify.ids import new_id
from notify.lanes import DueLane
from notify.models.event import EventType
from notify.outcomes import Rules
from notify.reports import Recorded
from notify.rows import AttemptRow, Claimed, EventRow, Outcome

logger = logging.getLogger(__name__)

_AT_MOST: Final = 1000
_STILL: Final = timedelta(seconds=5)
#: In a lane that moves, what is overdue is mostly met by its drains; a backlog may hide some for a while.
_LOOK_EVERY: Final = timedelta(seconds=15)
_LEASE_RAN_OUT: Final = "its lease ran out: the worker that had it died or lost the database"

Decide = Callable[[Claimed, Facts, Rules], Outcome | None]


def sweep(*, worker: str, now: datetime) -> list[DueLane]:
    """One sweep; returns the lanes that have due work, which were rung."""
    settle_expired_leases(worker=worker, now=now)
    due = lanes.due_lanes(now=now)
    for lane in due:
        if _is_time_to_look(lane, now):
            expire_overdue(lane=lane.lane, worker=worker, now=now)
    lanes.ring([lane.lane for lane in due])
    return due


class _Looks:
    """When each lane was last looked through for what is overdue: that reads all that is due in it."""

    at: ClassVar[dict[str, datetime]] = {}


def _is_time_to_look(lane: DueLane, now: datetime) -> bool:
    stands_still = lane.seen_at is None or now - lane.seen_at > _STILL
    last = _Looks.at.get(lane.lane)
    if now - lane.due_at < _STILL or (last is not None and now - last < (_STILL if stands_still else _LOOK_EVERY)):
        return False
    _Looks.at[lane.lane] = now
    return True


def settle_expired_leases(*, worker: str, now: datetime) -> int:
    """Decides what becomes of deliveries whose lease ran out: sent again, or held, as their channel says."""
    lease = uuid4()
    claimed = lanes.take_expired_leases(lease=lease, limit=_AT_MOST, now=now, grace_s=settings.LANES["RESTART_GRACE_S"])

    def decide(one: Claimed, facts: Facts, rules: Rules) -> Outcome:
        outcome = outcomes.fail(claimed=one, facts=facts, error=OutcomeUnknown(_LEASE_RAN_OUT), now=now, rules=rules)
        return _with_history(one, outcome, worker, now)

    count = _settle(claimed, lease, decide, worker, now)
    for lane, group in groupby(sorted(claimed, key=lambda one: one.lane), key=lambda one: one.lane):
        expired = len(list(group))
        logger.warning("leases ran out", extra={"lane": lane, "count": expired})
        signals.leases_expired.send(sender=None, lane=lane, count=expired)
    return count


def expire_overdue(*, lane: str, worker: str, now: datetime) -> int:
    """Accounts for deliveries of a lane that stands still whose time, or whose step's time, is over."""
    lease = uuid4()
    claimed = lanes.take_overdue(lane=lane, lease=lease, limit=_AT_MOST, now=now)
    return _settle(
        claimed,
        lease,
        lambda one, facts, rules: outcomes.overdue(claimed=one, facts=facts, now=now, rules=rules),
        worker,
        now,
    )


def _settle(claimed: Sequence[Claimed], lease: UUID, decide: Decide, worker: str, now: datetime) -> int:
    facts = content.facts_of(claimed)
    rules = {lane: dispatch.rules(lane=lane, worker=worker) for lane in {one.lane for one in claimed}}
    settled: list[Recorded] = []
    undecided: list[UUID] = []
    for one in claimed:
        known = facts.get(one.notification_id)
        outcome = decide(one, known, rules[one.lane]) if known is not None else None
        if known is None or outcome is None:
            undecided.append(one.id)
        else:
            settled.append((one, known, outcome))
    written = lanes.record(outcomes=[outcome for _one, _facts, outcome in settled], lease=lease, now=now)
    lanes.release(ids=undecided, lease=lease, now=now)
    for lane in rules:
        recorded = [row for row in settled if row[0].lane == lane and row[0].id in written]
        reports.tell(recorded=recorded, results=(), lane=lane, now=now)
    return len(settled)


def _with_history(claimed: Claimed, outcome: Outcome, worker: str, now: datetime) -> Outcome:
    attempt = AttemptRow(
        id=new_id(),
        delivery_id=claimed.id,
        notification_id=claimed.notification_id,
        number=claimed.attempts + 1,
        channel=claimed.channel,
        provider="",
        outcome=OutcomeUnknown.code,
        error_detail=_LEASE_RAN_OUT,
        reason="",
        provider_message_id="",
        worker=worker,
        claimed_at=now,
        started_at=now,
        latency_ms=0.0,
        retry_at=outcome.due_at,
    )
    event = EventRow(
        new_id(),
        claimed.notification_id,
        claimed.id,
        EventType.RELEASED,
        channel=claimed.channel,
        reason=_LEASE_RAN_OUT,
    )
    return outcomes.with_rows(outcome, attempts=(attempt,), events=(event,))
