"""Draining a lane: claim -> render -> gateway -> record, over and over until the lane is empty or the time is up.

A drain is a pipeline. It claims only what its providers can take soon (a claim that waits in this process is a claim
that no fair share and no healthier process can reach), records what comes back in small batches, and renews its leases
while it waits. No transaction is open while a provider is spoken to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.utils import timezone

from channels import gateway
from channels.errors import LeaseLost, ReportAwaited
from channels.names import split_lane
from channels.types import OutboundMessage, SendResult
from notify import content, doorbell, early_receipts, lanes, outcomes, readiness, recording, reports, workers
from notify.databases import DATABASE_AWAY, patiently
from notify.facts import Facts
from notify.outcomes import Rules
from notify.retry import RetryPolicy
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

_COLLECT_S: Final = 0.25
_RECORD_AT_MOST: Final = 500
_PULSE_S: Final = 1.0
#: How much of the future a drain holds besides what is under way: the seconds its providers need for it.
_AHEAD_S: Final = 0.25

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
        self._renewed_at = self._claimed_at = 0.0
        self._last_was_short = self._claim_failed = self._unwritten = False

    def run(self, *, limit_s: float) -> int:
        """Drains until nothing is due, or for ``limit_s`` seconds; returns how many deliveries it recorded. Rings again
        when it may leave due work behind. Raises DatabaseError when the database is away; what is in hand is brought
        home first, whatever happens."""
        try:
            emptied = self._drain_until(time.monotonic() + limit_s)
        finally:
            self._bring_home()
        if not emptied:
            lanes.ring([self.lane])
        return self.handled

    def _drain_until(self, until: float) -> bool:
        """Says whether it left because there was nothing more to do: nothing due, or no provider to take it."""
        while not self._stopping() and time.monotonic() < until:
            idle = not self._session.pending
            wanted = self._wanted()
            fed = bool(wanted) and self._claim(wanted)
            if idle and not fed:
                return True
            self._turn()
        return False

    def _bring_home(self) -> None:
        ids = self._session.withdraw()
        if ids:
            self._release(ids)
        while self._session.pending:
            self._turn()
        if self._claim_failed and not self._unwritten:
            # Its commit may have gone through unheard. What was handed over is written: the rest goes back.
            patiently(lambda: lanes.release_lease(lease=self.lease, now=timezone.now()))

    def _turn(self) -> None:
        self._record(self._session.collect(timeout=_COLLECT_S, at_most=_RECORD_AT_MOST))
        self._keep_alive()

    def _wanted(self) -> int:
        # A short claim emptied the lane: look again when it is rung, when all is done, or now and then while a provider
        # takes its time.
        if self._last_was_short and self._session.pending:
            if workers.rung(self.lane):
                workers.answer_ring(self.lane)
                doorbell.answer(self.lane)
            elif time.monotonic() - self._claimed_at < _COLLECT_S:
                return 0
        # Where an unknown outcome is held for a person, have no more in hand than can be under way.
        ahead_s = 0.0 if self._rules.policy.hold_unknown else _AHEAD_S
        return self._session.appetite(at_most=int(settings.LANES["BATCH"]), ahead_s=ahead_s)

    def _claim(self, wanted: int) -> bool:
        """Takes the next share of the lane and hands it to the session; says whether there was any."""
        now = timezone.now()
        self._claimed_at = time.monotonic()
        self._rules = rules(lane=self.lane, worker=self._worker)
        self._claim_failed = True  # until it has not
        claimed = lanes.claim(lane=self.lane, limit=wanted, lease=self.lease, now=now)
        self._last_was_short = len(claimed) * 2 <= wanted
        # What was lost while this process stood still, and is ours again, is still being said: its result will do.
        claimed = [one for one in claimed if one.id not in self._held]
        if not claimed:
            self._claim_failed = False
            return False
        if not self._held:  # older leases keep their own date, or a busy drain would never renew them
            self._note_renewal(self._claimed_at)
        try:
            messages, settled = self._read(claimed, now)
        except BaseException:
            self._release([one.id for one in claimed])
            raise
        self._session.submit(messages)
        self._claim_failed = False
        self._write(settled, ())
        return True

    def _read(self, claimed: Sequence[Claimed], now: datetime) -> tuple[list[OutboundMessage], list[Outcome]]:
        """What can be sent, ready to be, and what became of the rest."""
        facts_of = content.reader(claimed)
        # A report that came while we still waited for the answer was kept, and may be looked at again too late.
        awaited = {one.id: one.provider for one in claimed if one.error_code == ReportAwaited.code}
        reported = early_receipts.hasten(awaited=awaited, now=now)
        messages, settled = [], []
        for one in claimed:
            try:
                known = facts_of(one)
                if known is not None:
                    self._held[one.id] = (one, known, now)
                if one.id in reported:
                    settled.append(readiness.hear_first(one, now=now))
                    continue
                sendable = readiness.prepare(claimed=one, facts=known, now=now, rules=self._rules)
            except DATABASE_AWAY:
                raise
            except Exception as error:
                logger.exception("a message can't be decided on", extra={"delivery_id": str(one.id)})
                sendable = outcomes.undecidable(claimed=one, error=error, now=now)
            if isinstance(sendable, OutboundMessage):
                messages.append(sendable)
            else:
                settled.append(sendable)
        return messages, settled

    def _record(self, results: Sequence[SendResult]) -> None:
        now = timezone.now()
        settled, lost = [], []
        for result in results:
            claimed, facts, claimed_at = self._held[result.message.id]
            if isinstance(result.error, LeaseLost) and not result.tries:
                lost.append(claimed.id)
                continue
            try:
                outcome = outcomes.settle(
                    claimed=claimed, facts=facts, result=result, claimed_at=claimed_at, now=now, rules=self._rules
                )
            except Exception as error:
                logger.exception("an outcome can't be decided", extra={"delivery_id": str(claimed.id)})
                outcome = outcomes.undecidable(claimed=claimed, error=error, now=now, result=result)
            settled.append(outcome)
        if lost:
            self._release(lost)  # those that are ours after all
        self._write(settled, results)

    def _write(self, settled: Sequence[Outcome], results: Sequence[SendResult]) -> None:
        if not settled:
            return
        try:
            written, refused = recording.record(settled=settled, lease=self.lease, write=patiently, clock=timezone.now)
        except BaseException:
            self._unwritten = True
            raise
        self._unwritten |= bool(refused)
        self.handled += len(settled)
        held = [self._held.pop(outcome.id, None) for outcome in settled]
        recorded = [
            (one[0], one[1], outcome)
            for one, outcome in zip(held, settled, strict=True)
            if one is not None and outcome.id in written
        ]
        reports.tell(recorded=recorded, results=results, lane=self.lane, now=timezone.now())

    def _keep_alive(self) -> None:
        now = time.monotonic()
        try:
            if self._held and now - self._renewed_at > settings.LANES["LEASE_S"] / 3:
                self._renew(now)
            if self._feels_pulse and now - _pulses.get(self.lane, 0.0) > _PULSE_S:
                _pulses[self.lane] = now
                lanes.feel_pulse(lane=self.lane, worker=self._worker)
        except DATABASE_AWAY as error:
            logger.warning("lane %s: leases can't be renewed: %s", self.lane, type(error).__name__)
            connection.close()

    def _renew(self, now: float) -> None:
        kept = lanes.renew(ids=list(self._held), lease=self.lease)
        lost = self._held.keys() - kept
        if lost:
            # This process stood still for too long: they were given to somebody else.
            logger.warning("leases lost", extra={"lane": self.lane, "count": len(lost)})
            self._session.lease.lost |= lost
        self._note_renewal(now)

    def _note_renewal(self, at: float) -> None:
        self._renewed_at = at
        # A little less than the lease itself, for the time between looking at the clock and handing over.
        self._session.lease.until = at + settings.LANES["LEASE_S"] * 0.9

    def _release(self, ids: Sequence[UUID]) -> None:
        """Gives back what was not handed over."""
        patiently(lambda: lanes.release(ids=ids, lease=self.lease, now=timezone.now()))
        for identifier in ids:
            self._held.pop(identifier, None)


def rules(*, lane: str, worker: str) -> Rules:
    """The rules for deliveries of ``lane``, from settings and its channel's standing orders."""
    channel, priority = split_lane(lane)
    orders = gateway.channel_orders(channel)
    made = Rules(
        policy=RetryPolicy(
            max_attempts=settings.LANES["MAX_ATTEMPTS"][priority],
            base_s=settings.LANES["RETRY_BASE_S"],
            cap_s=settings.LANES["RETRY_CAP_S"],
            hold_unknown=orders.hold_unknown,
            await_report=orders.await_report,
        ),
        step_deadline_s=lambda name: gateway.channel_orders(name).step_deadline_s,
        worker=worker,
        fallback=orders.fallback,
        is_usable=gateway.is_usable,
        receipt_wait=timedelta(seconds=settings.LANES["RECEIPT_WAIT_S"]),
    )
    return replace(made, goes_elsewhere=partial(readiness.goes_elsewhere, rules=made))


def drain(
    *, lane: str, worker: str, stopping: Callable[[], bool], limit_s: float = inf, feel_pulse: bool = True
) -> int:
    """Drains ``lane`` in this thread; returns how many deliveries it recorded. See ``Drain.run``."""
    doorbell.answer(lane)
    run = Drain(lane=lane, worker=worker, stopping=stopping, feel_pulse=feel_pulse)
    return run.run(limit_s=limit_s)
