"""The sweep: what keeps the lanes honest when nothing else does.

Every second: every lane with due work is rung, leases that ran out are decided upon, lanes whose work has waited for a
while are looked through for what is overdue (those that stand still the more often), receipts that came too early are
looked at again, and the lanes' depths are measured. Any process may sweep, several at once: rows are taken with SKIP
LOCKED. Each of these fails alone, and so does each delivery.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import ClassVar, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import Error, connection

from channels.errors import OutcomeUnknown
from channels.types import ProviderTry
from notify import content, dispatch, grace, lanes, outcomes, receipts, recording, reports, saturation, signals
from notify.databases import DATABASE_AWAY, apart
from notify.facts import Facts
from notify.lanes import Place
from notify.models.event import EventType
from notify.outcomes import Rules
from notify.pulses import DueLane
from notify.reports import Recorded
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

_AT_MOST: Final = 1000
_STILL: Final = timedelta(seconds=5)
#: In a lane that moves, what is overdue is mostly met by its drains; a backlog may hide some for a while.
_LOOK_EVERY: Final = timedelta(seconds=15)
_LEASE_RAN_OUT: Final = "its lease ran out: the worker that had it died or lost the database"

Decide = Callable[[Claimed, Facts, Rules], Outcome | None]


def sweep(*, worker: str, now: datetime) -> list[DueLane]:
    """One sweep; returns the lanes that have due work, which were rung. Raises what says that the database is gone."""
    grace.note_clocks()
    due: list[DueLane] = []
    with apart("sweep: ringing", log=logger):
        due = lanes.due_lanes(now=now)
        lanes.ring([lane.lane for lane in due])
    with apart("sweep: leases", log=logger):
        settle_expired_leases(worker=worker, now=now)
    for lane in due:
        if _is_time_to_look(lane, now):
            with apart(f"sweep: {lane.lane}", log=logger):
                expire_overdue(lane=lane.lane, worker=worker, now=now)
    with apart("sweep: early receipts", log=logger):
        receipts.settle_early(now=now)
    with apart("sweep: measuring", log=logger):
        saturation.measure(idle=not due)
    return due


class _Looks:
    """When each lane was last looked through for what is overdue, and how far."""

    at: ClassVar[dict[str, datetime]] = {}
    places: ClassVar[dict[str, Place]] = {}


def forget() -> None:
    """As if no lane had been looked through."""
    _Looks.at.clear()
    _Looks.places.clear()


def _is_time_to_look(lane: DueLane, now: datetime) -> bool:
    if now - lane.due_at < _STILL:
        return False
    stands_still = lane.seen_at is None or now - lane.seen_at > _STILL
    last = _Looks.at.get(lane.lane)
    pause = _STILL if stands_still else _LOOK_EVERY
    # A clock that was set back must not keep us waiting for the time it had before.
    if lane.lane not in _Looks.places and last is not None and timedelta() <= now - last < pause:
        return False
    _Looks.at[lane.lane] = now
    return True


def settle_expired_leases(*, worker: str, now: datetime) -> int:
    """Decides what becomes of deliveries whose lease ran out: sent again, or held, as their channel says."""
    grace_s = settings.LANES["RESTART_GRACE_S"]
    if not grace.is_over(grace_s=grace_s):
        return 0
    lease = uuid4()
    claimed = lanes.take_expired_leases(lease=lease, limit=_AT_MOST, now=now, grace_s=grace_s)

    def decide(one: Claimed, facts: Facts, rules: Rules) -> Outcome:
        outcome = outcomes.fail(claimed=one, facts=facts, error=OutcomeUnknown(_LEASE_RAN_OUT), now=now, rules=rules)
        return _with_history(one, outcome, worker, now)

    count = _settle(claimed, lease, decide, worker, now)
    for lane, expired in sorted(Counter(one.lane for one in claimed).items()):
        logger.warning("leases ran out", extra={"lane": lane, "count": expired})
        signals.leases_expired.send(sender=None, lane=lane, count=expired)
    return count


def expire_overdue(*, lane: str, worker: str, now: datetime) -> int:
    """Accounts for deliveries that wait in a lane and whose time, or whose step's time, is over. Looks through a part
    of the lane, and goes on from there the next time."""
    lease = uuid4()

    def decide(one: Claimed, facts: Facts, rules: Rules) -> Outcome | None:
        return outcomes.overdue(claimed=one, facts=facts, now=now, rules=rules)

    try:
        place = _Looks.places.pop(lane, Place())
        claimed, following = lanes.take_overdue(lane=lane, lease=lease, limit=_AT_MOST, now=now, place=place)
        if following is not None:
            _Looks.places[lane] = following
        return _settle(claimed, lease, decide, worker, now)
    except BaseException:
        # Nobody was handed any of it: it goes back at once, not when its lease has run out.
        with suppress(Error):
            connection.close_if_unusable_or_obsolete()
            lanes.release_lease(lease=lease, now=now)
        raise


def _settle(claimed: Sequence[Claimed], lease: UUID, decide: Decide, worker: str, now: datetime) -> int:
    facts_of = content.reader(claimed)
    rules_of = cache(lambda lane: dispatch.rules(lane=lane, worker=worker))
    settled: list[Outcome] = []
    told: list[Recorded] = []
    undecided: list[UUID] = []
    for one in claimed:
        try:
            known = facts_of(one)
            outcome = decide(one, known, rules_of(one.lane)) if known is not None else None
        except DATABASE_AWAY:
            raise
        except Exception as error:
            # The edge of one delivery: a defect that it meets must not take its neighbours along.
            logger.exception("a delivery can't be decided on", extra={"delivery_id": str(one.id)})
            known, outcome = None, outcomes.undecidable(claimed=one, error=error, now=now)
        if outcome is None:
            undecided.append(one.id)
            continue
        settled.append(outcome)
        if known is not None:
            told.append((one, known, outcome))
    written, _refused = recording.record(settled=settled, lease=lease, write=_at_once, clock=lambda: now)
    lanes.release(ids=undecided, lease=lease, now=now)
    for lane in {one.lane for one in claimed}:
        recorded = [row for row in told if row[0].lane == lane and row[0].id in written]
        reports.tell(recorded=recorded, results=(), lane=lane, now=now)
    return len(settled)


def _at_once(write: Callable[[], set[UUID]]) -> set[UUID]:
    return write()


def _with_history(claimed: Claimed, outcome: Outcome, worker: str, now: datetime) -> Outcome:
    lost = ProviderTry(provider="", started_at=now, latency_ms=0.0, error=OutcomeUnknown(_LEASE_RAN_OUT))
    attempt = outcomes.attempt_row(claimed, lost, now, worker, outcome.due_at)
    event = outcomes.event_row(claimed, EventType.RELEASED, _LEASE_RAN_OUT)
    return outcomes.with_rows(outcome, attempts=(attempt,), events=(event,))
