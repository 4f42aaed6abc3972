"""Draining a lane: claim -> render -> gateway -> record, over and over until the lane is empty or the time is up.

A drain is a pipeline. It claims only what its providers can take soon (a claim that waits in this process is a claim
that no fair share and no healthier process can reach), records what comes back in small batches, and renews its leases
while it waits. No transaction is open while a provider is spoken to.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from channels import gateway
from channels.errors import InternalFault, LeaseLost, MessageRejected
from channels.names import split_lane
from channels.types import OutboundMessage, SendResult
from notify import content, doorbell, lanes, outcomes, reports
from notify.databases import DATABASE_AWAY
from notify.facts import Facts
from notify.models.delivery import DeliveryStatus
from notify.outcomes import Rules
from notify.retry import RetryPolicy
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

Written = TypeVar("Written")

_COLLECT_S: Final = 0.25
_RECORD_AT_MOST: Final = 500
_PULSE_S: Final = 1.0
#: How much of the future a drain holds besides what is under way: the seconds its providers need for it.
_AHEAD_S: Final = 0.25
#: How long a drain tries to write down what it knows while the database is away.
_PATIENCE_S: Final = 120.0


#: When this process last noted each lane's pulse (time.monotonic()).
_pulses: dict[str, float] = {}


class Drain:
    """One run over one lane, in one thread. ``stopping`` is asked between steps; after it says yes nothing new is
    claimed, and what was not handed over is given back."""

    def __init__(self, *, lane: str, worker: str, stopping: Callable[[], bool], feel_pulse: bool = True) -> None:
        channel, priority = split_lane(lane)
        self.lane = lane
        self.lease = uuid4()
        self.handled = 0
        self._stopping = stopping
        self._worker = worker
        self._feels_pulse = feel_pulse
        self._rules = rules(lane=lane, worker=worker)
        self._session = gateway.open_session(channel=channel, priority=priority)
        self._held: dict[UUID, tuple[Claimed, Facts, datetime]] = {}
        self._pace = Pace()
        self._renewed_at = self._claimed_at = 0.0
        self._last_was_short = False

    def run(self, *, limit_s: float) -> int:
        """Drains until nothing is due, or for ``limit_s`` seconds; returns how many deliveries it recorded. Rings again
        when it may leave due work behind. Raises DatabaseError when the database is away and nothing is in hand."""
        until = time.monotonic() + limit_s
        closing = empty = False
        while True:
            if not closing and (self._stopping() or time.monotonic() > until):
                closing = True
                self._give_back()
            if not closing and self._wants_more():
                try:
                    empty = not self._claim()
                except DATABASE_AWAY:
                    if not self._session.pending:
                        raise
                    closing = True  # what is in hand is still brought home
            self._record(self._session.collect(timeout=_COLLECT_S, at_most=_RECORD_AT_MOST))
            self._keep_alive()
            if not self._session.pending and (closing or empty):
                break
        if closing:
            lanes.ring([self.lane])
        return self.handled

    def _wants_more(self) -> bool:
        pending = self._session.pending
        if pending > self._capacity() // 2:
            return False
        # A short claim emptied the lane: look again when all is done, or now and then while a provider takes its time.
        return not self._last_was_short or not pending or time.monotonic() - self._claimed_at >= _COLLECT_S

    def _capacity(self) -> int:
        under_way = self._session.concurrency
        if self._rules.policy.hold_unknown:
            # What is in a dead worker's hands is held for a person: have no more in hand than can be under way.
            return min(under_way, int(settings.LANES["BATCH"]))
        return min(under_way + int(self._pace.per_second * _AHEAD_S), int(settings.LANES["BATCH"]))

    def _claim(self) -> bool:
        """Takes the next share of the lane and hands it to the session; says whether there was any."""
        now = timezone.now()
        self._claimed_at = time.monotonic()
        wanted = max(1, self._capacity() - self._session.pending)
        claimed = lanes.claim(lane=self.lane, limit=wanted, lease=self.lease, now=now)
        self._last_was_short = len(claimed) * 2 <= wanted
        if not claimed:
            return False
        if not self._held:  # older leases keep their own date, or a busy drain would never renew them
            self._note_renewal(self._claimed_at)
        try:
            messages, settled = self._read(claimed, now)
        except DATABASE_AWAY:
            patiently(lambda: lanes.release(ids=[one.id for one in claimed], lease=self.lease, now=timezone.now()))
            for one in claimed:
                self._held.pop(one.id, None)
            raise
        self._session.submit(messages)
        self._write(settled, ())
        return True

    def _read(self, claimed: Sequence[Claimed], now: datetime) -> tuple[list[OutboundMessage], list[Outcome]]:
        """What can be sent, ready to be, and what became of the rest."""
        facts = content.facts_of(claimed)
        messages, settled = [], []
        for one in claimed:
            known = facts.get(one.notification_id)
            if known is None:
                settled.append(_orphaned(one, now))
                continue
            late = outcomes.overdue(claimed=one, facts=known, now=now, rules=self._rules)
            self._held[one.id] = (one, known, now)
            try:
                if late is None:
                    messages.append(_composed(one, known))
                else:
                    settled.append(late)
            except (MessageRejected, InternalFault) as error:
                settled.append(outcomes.fail(claimed=one, facts=known, error=error, now=now, rules=self._rules))
        return messages, settled

    def _record(self, results: Sequence[SendResult]) -> None:
        now = timezone.now()
        settled = []
        for result in results:
            claimed, facts, claimed_at = self._held[result.message.id]
            if isinstance(result.error, LeaseLost):
                del self._held[claimed.id]
                continue
            settled.append(
                outcomes.settle(
                    claimed=claimed, facts=facts, result=result, claimed_at=claimed_at, now=now, rules=self._rules
                )
            )
        self._write(settled, results)

    def _write(self, settled: Sequence[Outcome], results: Sequence[SendResult]) -> None:
        if not settled:
            return
        try:
            written = patiently(lambda: lanes.record(outcomes=settled, lease=self.lease, now=timezone.now()))
        except (DatabaseError, ValueError):
            written = self._write_one_by_one(settled)
        self.handled += len(settled)
        self._pace.count(len(settled))
        held = [self._held.pop(outcome.id, None) for outcome in settled]
        recorded = [
            (one[0], one[1], outcome)
            for one, outcome in zip(held, settled, strict=True)
            if one is not None and outcome.id in written
        ]
        reports.tell(recorded=recorded, results=results, lane=self.lane, now=timezone.now())

    def _write_one_by_one(self, settled: Sequence[Outcome]) -> set[UUID]:
        """One row that the database refuses must not take the others with it: they would be sent again."""
        written: set[UUID] = set()
        for outcome in settled:
            try:
                write = partial(lanes.record, outcomes=[outcome], lease=self.lease, now=timezone.now())
                written |= patiently(write)
            except (DatabaseError, ValueError):
                logger.exception("an outcome can't be recorded", extra={"delivery_id": str(outcome.id)})
        return written

    def _keep_alive(self) -> None:
        now = time.monotonic()
        try:
            if self._held and now - self._renewed_at > settings.LANES["LEASE_S"] / 3:
                lanes.renew(ids=list(self._held), lease=self.lease, now=timezone.now())
                self._note_renewal(now)
            if self._feels_pulse and now - _pulses.get(self.lane, 0.0) > _PULSE_S:
                _pulses[self.lane] = now
                lanes.feel_pulse(lane=self.lane, worker=self._worker, now=timezone.now())
        except DATABASE_AWAY as error:
            logger.warning("lane %s: leases can't be renewed: %s", self.lane, type(error).__name__)
            connection.close()

    def _note_renewal(self, at: float) -> None:
        self._renewed_at = at
        # A little less than the lease itself, for the time between looking at the clock and handing over.
        self._session.valid_until = at + settings.LANES["LEASE_S"] * 0.9

    def _give_back(self) -> None:
        ids = self._session.withdraw()
        if ids:
            patiently(lambda: lanes.release(ids=ids, lease=self.lease, now=timezone.now()))
        for identifier in ids:
            self._held.pop(identifier, None)


@dataclass(slots=True)
class Pace:
    """How many deliveries a second this drain gets done, lately."""

    per_second: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _done: int = 0

    def count(self, done: int) -> None:
        """Takes note of ``done`` more deliveries."""
        self._done += done
        elapsed = time.monotonic() - self._since
        if elapsed >= 0.05:
            self.per_second = self._done / elapsed
            self._since, self._done = time.monotonic(), 0


def _composed(claimed: Claimed, facts: Facts) -> OutboundMessage:
    try:
        return content.compose(claimed=claimed, facts=facts)
    except (MessageRejected, *DATABASE_AWAY):
        raise
    except Exception as error:
        # The edge of one message: a defect that it meets must not take the rest of its claim along.
        logger.exception("a message can't be composed", extra={"delivery_id": str(claimed.id)})
        raise InternalFault(f"the message can't be composed ({type(error).__name__})") from error


def _orphaned(claimed: Claimed, now: datetime) -> Outcome:
    logger.error("delivery without its notification", extra={"delivery_id": str(claimed.id)})
    detail = "its notification is not stored"
    return Outcome(
        id=claimed.id, status=DeliveryStatus.FAILED, error_code="orphaned", error_detail=detail, finished_at=now
    )


def rules(*, lane: str, worker: str) -> Rules:
    """The rules for deliveries of ``lane``, from settings and its channel's standing orders."""
    channel, priority = split_lane(lane)
    return Rules(
        policy=RetryPolicy(
            max_attempts=settings.LANES["MAX_ATTEMPTS"][priority],
            base_s=settings.LANES["RETRY_BASE_S"],
            cap_s=settings.LANES["RETRY_CAP_S"],
            hold_unknown=gateway.channel_orders(channel).hold_unknown,
        ),
        step_deadline_s=lambda name: gateway.channel_orders(name).step_deadline_s,
        worker=worker,
        rng=random.Random(),
    )


def patiently(write: Callable[[], Written], *, patience_s: float = _PATIENCE_S) -> Written:
    """What ``write`` returns, tried again and again while the database is away: what a provider has said must not be
    forgotten, or it will be sent twice. Raises what the database said when patience is over, and at once what is not an
    absence."""
    until = time.monotonic() + patience_s
    pause = 0.05
    while True:
        try:
            return write()
        except DATABASE_AWAY as error:
            if time.monotonic() > until:
                raise
            logger.warning("recording waits for the database: %s", type(error).__name__)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)


def drain(
    *, lane: str, worker: str, stopping: Callable[[], bool], limit_s: float | None = None, feel_pulse: bool = True
) -> int:
    """Drains ``lane`` in this thread; returns how many deliveries it recorded. See ``Drain.run``."""
    doorbell.answer(lane)
    run = Drain(lane=lane, worker=worker, stopping=stopping, feel_pulse=feel_pulse)
    return run.run(limit_s=settings.LANES["DRAIN_S"] if limit_s is None else limit_s)
