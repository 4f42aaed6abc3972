"""A session: the messages of one drain of one lane, on their way through their channel's providers.

Every provider has its bulkhead, shared by all sessions of the process. Within one attempt a message falls over to the
next provider when the fault is the provider's; a timeout after the handing over does so only where the channel prefers
a duplicate to a loss, and where the provider will not soon say by itself what came of it. Weights are shares for as
long as every provider can take its share: what one is too busy for goes to those that have room, so that one which
hangs does not set the pace of the lane.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Final
from uuid import UUID

from channels import breaker, directory, permits, probes, rehearsal, rooms, routing
from channels.bulkhead import BulkheadClosed
from channels.degradation import pin
from channels.errors import Misconfigured, NoProvider, OutcomeUnknown, ProviderError, ReportAwaited, Throttled
from channels.handover import Handover, Journey, Lease, chunks
from channels.limiter import Limiter
from channels.lines import LINES, Line
from channels.routing import Candidate
from channels.specs import CALLBACK_PROVIDER, ChannelSpec, ProviderSpec, built_in
from channels.types import OutboundMessage, ProviderTry, SendReceipt, SendResult

#: How long a drain waits by itself for a provider's rate limit; longer waits go back to the table.
RATE_PATIENCE_S: Final = 2.0
#: How long a message for which every provider is too busy waits here for a place, and how often it looks for one.
_ROOM_PATIENCE_S: Final = 2.0
_LOOK_S: Final = 0.05
#: A report is waited for where there is so many times as much time as that takes: otherwise a duplicate is better than
#: a message that comes too late. Not where the channel wants nobody told twice.
_REPORT_MARGIN: Final = 3.0


class Session:
    """Messages of one lane on their way through its providers. Used by one thread."""

    def __init__(self, *, channel: str, priority: str, limiter: Limiter, rng: random.Random) -> None:
        self._channel = channel
        self._priority = priority
        self._limiter = limiter
        self._rng = rng
        self._answers: SimpleQueue[tuple[Journey, Candidate, ProviderTry]] = SimpleQueue()
        self._results: deque[SendResult] = deque()
        self._waiting: deque[Journey] = deque()
        self._out = 0
        self._planned: tuple[ChannelSpec, routing.Plan] | None = None
        self.lease = Lease()

    @property
    def pending(self) -> int:
        """How many messages have no result yet."""
        return self._out + len(self._waiting) + len(self._results)

    # --- in ----------------------------------------------------------------------------------------------------------

    def appetite(self, *, at_most: int, ahead_s: float) -> int:
        """How many more messages, up to ``at_most``, are worth fetching: as many as the providers have room for in the
        next ``ahead_s`` seconds, and of a lane that its channel holds, the part that it lets through."""
        plan, channel = self._plan(), directory.channel(self._channel)
        waiting = sum(not one.message.test for one in self._waiting)  # who waits on a stage is in nobody else's way
        wanted = rooms.room(
            rooms.open_lines(channel=self._channel, plan=plan),
            priority=self._priority,
            waiting=waiting,
            pending=self.pending - len(self._waiting) + waiting,
            at_most=permits.worth_fetching(channel, self._priority, waiting=waiting, at_most=at_most),
            ahead_s=ahead_s,
        )
        if channel.at_rest or rooms.has_callbacks(self._channel):
            return wanted
        if pin.holds_lane(channel.pins, channel=self._channel, priority=self._priority):
            return 0  # nothing of it goes anywhere
        if routing.lane_is_held(standing=channel.standing, priority=self._priority, carried=plan.carried):
            return int(self._priority != "critical" and not self.pending and probes.are_due(channel, plan))
        return wanted

    def submit(self, messages: Iterable[OutboundMessage]) -> None:
        """Takes messages to hand over; each will have exactly one result in ``collect``."""
        self._advance([Journey(message, deque(self._candidates(message))) for message in messages])

    def _candidates(self, message: OutboundMessage) -> Sequence[Candidate]:
        if message.test:
            return rehearsal.candidates(message, rng=self._rng)
        if message.signing_secret:
            return (Candidate(built_in(CALLBACK_PROVIDER), "status callback"),)
        plan = self._plan()
        ranked = routing.rank(plan, rng=self._rng)
        probe = probes.take(channel=self._channel, plan=plan, message=message) if plan.open else None
        return ranked if probe is None else (probe, *ranked)

    def _plan(self) -> routing.Plan:
        channel = directory.channel(self._channel)
        if self._planned is None or self._planned[0] is not channel:
            self._planned = (channel, routing.plan(channel.providers, standings=channel.standings, pins=channel.pins))
        return self._planned[1]

    # --- back --------------------------------------------------------------------------------------------------------

    def withdraw(self) -> list[UUID]:
        """Takes back what was not yet handed to a provider; those messages will have no result. What a provider was
        asked about already is not forgotten: it has its result, the last provider's answer."""
        journeys = [*self._waiting]
        self._waiting.clear()
        for work in self._withdraw_queued():
            journeys += work.journeys
            self._out -= len(work.journeys)
        for journey in journeys:
            if journey.tries:
                self._finish(journey, error=journey.tries[-1].error)
        return [journey.message.id for journey in journeys if not journey.tries]

    def _withdraw_queued(self) -> Iterator[Handover]:
        for line in LINES.all():
            for work in line.bulkhead.withdraw(
                self._priority, lambda queued: not (isinstance(queued, Handover) and queued.owner is self)
            ):
                if isinstance(work, Handover):
                    yield work

    # --- onward ------------------------------------------------------------------------------------------------------

    def _advance(self, journeys: Iterable[Journey]) -> None:
        """Sends each journey to its next candidate, as far as places and rate limits allow."""
        groups: dict[str, list[Journey]] = defaultdict(list)
        left: dict[str, int] = {}
        for journey in journeys:
            if not journey.candidates:
                self._finish_without_candidate(journey)
            elif self._choose(journey, left):
                groups[journey.candidates[0].provider.name].append(journey)
            else:
                self._wait_for_room(journey)
        for group in groups.values():
            self._hand_to_provider(group[0].candidates[0].provider, group)

    def _choose(self, journey: Journey, left: dict[str, int]) -> bool:
        """Brings the first candidate with room to the front; False when all are too busy. ``left``: the room of each,
        less what was chosen before. With nobody else to ask, a message queues where it has to, but for a test key's: no
        stage piles up here. One of weight zero is for what the others failed at, not for what they are too busy for."""
        first = journey.candidates[0]
        others = [one for one in journey.candidates if one is not first and one.provider.weight > 0]
        if not others and not journey.message.test:
            return True
        for candidate in (first, *others):
            name = candidate.provider.name
            if name not in left:
                left[name] = self._room(candidate.provider)
            if left[name] > 0:
                left[name] -= 1
                if candidate is not first:
                    journey.candidates.remove(candidate)
                    because = f"{candidate.reason}; {first.provider.name} is busy"
                    journey.candidates.appendleft(replace(candidate, reason=because))
                return True
        return False

    def _room(self, spec: ProviderSpec) -> int:
        try:
            line = LINES.line(spec)
        except Misconfigured:
            return 1  # it will say so
        return line.room(self._priority, ahead_s=_LOOK_S) if line.refused_until <= time.monotonic() else 0

    def _wait_for_room(self, journey: Journey) -> None:
        now = time.monotonic()
        if journey.waits_since is None:
            journey.waits_since = now
        if now - journey.waits_since > _ROOM_PATIENCE_S:
            self._finish(journey, error=Throttled("every provider is busy", retry_after=1.0))
        else:
            journey.waits_until = now + _LOOK_S
            self._waiting.append(journey)

    def _hand_to_provider(self, spec: ProviderSpec, journeys: list[Journey]) -> None:
        try:
            line = LINES.line(spec)
        except Misconfigured as error:
            for journey in journeys:
                self._take_answer(journey, journey.candidates.popleft(), _failed_try(spec, error))
            return
        channel, wanted = directory.channel(spec.channel), len(journeys)
        grant = permits.take(limiter=self._limiter, channel=channel, spec=spec, priority=self._priority, wanted=wanted)
        if grant.granted < len(journeys) and grant.more_in > RATE_PATIENCE_S and not grant.everywhere:
            line.refused_until = time.monotonic() + grant.more_in
        for chunk in chunks(journeys[: grant.granted], line):
            self._out += len(chunk)
            self._submit(line, chunk)
        for journey in journeys[grant.granted :]:
            self._wait_for_rate(journey, grant)

    def _submit(self, line: Line, chunk: list[Journey]) -> None:
        handover = Handover(
            owner=self,
            line=line,
            pairs=[(journey, journey.candidates.popleft()) for journey in chunk],
            answer=lambda journey, candidate, attempt: self._answers.put((journey, candidate, attempt)),
            lease=self.lease,
        )
        while True:
            try:
                line.bulkhead.submit(self._priority, handover, messages=len(chunk))
            except BulkheadClosed:
                # Somebody else saw a newer configuration between our look and this step.
                line = LINES.line(line.spec)
                handover.move_to(line)
            else:
                return

    def _wait_for_rate(self, journey: Journey, grant: permits.Grant) -> None:
        if len(journey.candidates) > 1 and not grant.everywhere:
            journey.candidates.popleft()  # the next provider has its own limit
            self._advance([journey])
        elif grant.more_in <= RATE_PATIENCE_S:
            journey.waits_until = time.monotonic() + grant.more_in
            self._waiting.append(journey)
        else:
            self._finish(journey, error=Throttled(grant.limit, retry_after=grant.more_in))

    # --- out ---------------------------------------------------------------------------------------------------------

    def collect(self, *, timeout: float, at_most: int) -> list[SendResult]:
        """Results that have come, up to ``at_most``; waits up to ``timeout`` seconds for the first."""
        self._retry_waiting()
        self._drain_answers(at_most, timeout if not self._results else 0.0)
        results = [self._results.popleft() for _ in range(min(at_most, len(self._results)))]
        if results:
            breaker.judge(channel=self._channel, results=results, now=datetime.now(UTC))
        return results

    def _retry_waiting(self) -> None:
        now = time.monotonic()
        ready = [journey for journey in self._waiting if journey.waits_until <= now]
        if ready:
            self._waiting = deque(journey for journey in self._waiting if journey.waits_until > now)
            self._advance(ready)

    def _drain_answers(self, at_most: int, timeout: float) -> None:
        if self._waiting:
            timeout = min(timeout, max(0.0, min(j.waits_until for j in self._waiting) - time.monotonic()))
        try:
            while len(self._results) < at_most:
                block = timeout > 0 and not self._results and bool(self._out or self._waiting)
                journey, candidate, attempt = self._answers.get(block=block, timeout=timeout if block else None)
                self._out -= 1
                self._take_answer(journey, candidate, attempt)
        except Empty:
            return

    def _take_answer(self, journey: Journey, candidate: Candidate, attempt: ProviderTry) -> None:
        if attempt.error is None or attempt.error.asked:
            journey.tries.append(attempt)
        journey.waits_since = None
        if candidate.probe:
            probes.note(candidate=candidate, error=attempt.error)
        if attempt.error is None:
            self._finish(journey, receipt=attempt.receipt)
        elif (wait_s := self._awaits_report_for(journey, candidate.provider, attempt)) is not None:
            self._finish(journey, error=ReportAwaited(attempt.error.detail, retry_after=wait_s))
        elif journey.candidates and self._may_fall_over(journey, attempt.error):
            self._advance([journey])
        else:
            self._finish(journey, error=attempt.error)

    def _may_fall_over(self, journey: Journey, error: ProviderError) -> bool:
        if journey.message.deadline <= datetime.now(UTC) or not self.lease.covers(journey.message.id):
            return False
        if isinstance(error, OutcomeUnknown):
            return not directory.channel(self._channel).hold_unknown
        return error.provider_fault or isinstance(error, Throttled)

    def _awaits_report_for(self, journey: Journey, spec: ProviderSpec, attempt: ProviderTry) -> float | None:
        """For how many seconds nobody is asked again, since ``spec`` will report what came of it; None: it will not, or
        not in time."""
        channel = directory.channel(self._channel)
        if not isinstance(attempt.error, OutcomeUnknown) or not spec.report_within_s:
            return None
        now = datetime.now(UTC)
        wait_s = spec.report_within_s - (now - attempt.started_at).total_seconds()
        left_s = (journey.message.deadline - now).total_seconds()
        if channel.await_report:
            return max(wait_s, 0.0) if wait_s < left_s else None
        return wait_s if not channel.hold_unknown and 0 < wait_s <= left_s / _REPORT_MARGIN else None

    def _finish_without_candidate(self, journey: Journey) -> None:
        message = journey.message
        channel, plan = rehearsal.plan_of(message) if message.test else (self._channel, self._plan())
        detail = f"no provider of {channel} carries traffic: {plan.words}" if plan.words else ""
        error: ProviderError = NoProvider(detail or f"no provider is enabled for {channel}")
        if journey.tries:
            error = journey.tries[-1].error or error
        self._finish(journey, error=error)

    def _finish(
        self, journey: Journey, *, receipt: SendReceipt | None = None, error: ProviderError | None = None
    ) -> None:
        self.lease.lost.discard(journey.message.id)
        self._results.append(
            SendResult(message=journey.message, tries=tuple(journey.tries), receipt=receipt, error=error)
        )


def _failed_try(spec: ProviderSpec, error: ProviderError) -> ProviderTry:
    return ProviderTry(provider=spec.name, started_at=datetime.now(UTC), latency_ms=0.0, error=error)
