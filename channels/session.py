"""A session: the messages of one drain of one lane, on their way through their channel's providers.

Every provider has its bulkhead, shared by all sessions of the process. Within one attempt a message falls over to the
next provider when the fault is the provider's; a timeout after the handing over does so only where the channel prefers
a duplicate to a loss. Weights are shares for as long as every provider can take its share: what one is too busy for
goes to those that have room, so that one which hangs does not set the pace of the lane.
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

from channels import directory, routing
from channels.bulkhead import BulkheadClosed
from channels.directory import CALLBACK_PROVIDER, TEST_PROVIDER, ChannelSpec, ProviderSpec
from channels.errors import (
    Misconfigured,
    NoProvider,
    OutcomeUnknown,
    ProviderError,
    Throttled,
)
from channels.handover import Handover, Journey, Lease, chunks
from channels.limiter import Limiter
from channels.lines import Line, Lines
from channels.routing import Candidate
from channels.types import OutboundMessage, ProviderTry, SendReceipt, SendResult

#: How long a drain waits by itself for a provider's rate limit; longer waits go back to the table.
RATE_PATIENCE_S: Final = 2.0
#: How long a message for which every provider is too busy waits here for a place, and how often it looks for one.
_ROOM_PATIENCE_S: Final = 2.0
_LOOK_S: Final = 0.05

#: The lines of this process.
LINES: Final = Lines()


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
        """How many more messages, up to ``at_most``, the providers can take: into free places, and in the next
        ``ahead_s`` seconds. None while none of them has room for a good part of what it can hold: fetching them one by
        one costs more than it gains."""
        lines = self._open_lines()
        rooms = [line.room(self._priority, ahead_s=ahead_s) for line in lines]
        for line, room in zip(lines, rooms, strict=True):
            if room * 2 >= min(line.capacity(self._priority, ahead_s=ahead_s), at_most):
                free = sum(max(room, 0) for room in rooms) - len(self._waiting)
                # What can only go where nothing moves must not pile up here behind what moves.
                bound = sum(line.spec.max_concurrency for line in lines) + 2 * at_most - self.pending
                return max(0, min(free, bound, at_most))
        return 0

    def _open_lines(self) -> list[Line]:
        """The lines that this lane's messages go over, but for those that are at their rate limit for long."""
        lines = []
        for spec in _carriers(self._channel):
            try:
                lines.append(LINES.line(spec))
            except Misconfigured:
                continue
        if not lines:  # messages are fetched nevertheless: each has to be told that there is nobody
            return [LINES.line(directory.built_in(TEST_PROVIDER))]
        now = time.monotonic()
        return [line for line in lines if line.refused_until <= now]

    def submit(self, messages: Iterable[OutboundMessage]) -> None:
        """Takes messages to hand over; each will have exactly one result in ``collect``."""
        self._advance([Journey(message, deque(self._candidates(message))) for message in messages])

    def _candidates(self, message: OutboundMessage) -> Sequence[Candidate]:
        if message.test:
            return (Candidate(directory.built_in(TEST_PROVIDER), "test key: the sandbox only"),)
        if message.signing_secret:
            return (Candidate(directory.built_in(CALLBACK_PROVIDER), "status callback"),)
        return routing.rank(self._plan(), rng=self._rng)

    def _plan(self) -> routing.Plan:
        channel = directory.channel(self._channel)
        if self._planned is None or self._planned[0] is not channel:
            self._planned = (channel, routing.plan(channel.providers))
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
        rooms: dict[str, int] = {}
        for journey in journeys:
            if not journey.candidates:
                self._finish_without_candidate(journey)
            elif self._choose(journey, rooms):
                groups[journey.candidates[0].provider.name].append(journey)
            else:
                self._wait_for_room(journey)
        for group in groups.values():
            self._hand_to_provider(group[0].candidates[0].provider, group)

    def _choose(self, journey: Journey, rooms: dict[str, int]) -> bool:
        """Brings the first candidate with room to the front; False when all are too busy. With nobody else to ask, a
        message queues where it has to. One of weight zero is for what the others failed at, not for what they are too
        busy for."""
        first = journey.candidates[0]
        others = [one for one in journey.candidates if one is not first and one.provider.weight > 0]
        if not others:
            return True
        for candidate in (first, *others):
            name = candidate.provider.name
            if name not in rooms:
                rooms[name] = self._room(candidate.provider)
            if rooms[name] > 0:
                rooms[name] -= 1
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
        granted, more_in = self._limiter.take(
            provider=spec.name, rate=spec.rate_limit, wanted=len(journeys), priority=self._priority
        )
        if granted < len(journeys) and more_in > RATE_PATIENCE_S:
            line.refused_until = time.monotonic() + more_in
        for chunk in chunks(journeys[:granted], line):
            self._out += len(chunk)
            self._submit(line, chunk)
        for journey in journeys[granted:]:
            self._wait_for_rate(journey, more_in)

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
                handover.by(line)
            else:
                return

    def _wait_for_rate(self, journey: Journey, more_in: float) -> None:
        limited = journey.candidates[0]
        if len(journey.candidates) > 1:
            journey.candidates.popleft()  # the next provider has its own limit
            self._advance([journey])
        elif more_in <= RATE_PATIENCE_S:
            journey.waits_until = time.monotonic() + more_in
            self._waiting.append(journey)
        else:
            detail = f"{limited.provider.name} is at its rate limit of {limited.provider.rate_limit}"
            self._finish(journey, error=Throttled(detail, retry_after=more_in))

    # --- out ---------------------------------------------------------------------------------------------------------

    def collect(self, *, timeout: float, at_most: int) -> list[SendResult]:
        """Results that have come, up to ``at_most``; waits up to ``timeout`` seconds for the first."""
        self._retry_waiting()
        self._drain_answers(at_most, timeout if not self._results else 0.0)
        return [self._results.popleft() for _ in range(min(at_most, len(self._results)))]

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
        if attempt.error is None:
            self._finish(journey, receipt=attempt.receipt)
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

    def _finish_without_candidate(self, journey: Journey) -> None:
        error: ProviderError = NoProvider(f"no provider is enabled for {self._channel}")
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


def _carriers(channel: str) -> list[ProviderSpec]:
    callbacks = directory.built_in(CALLBACK_PROVIDER)
    return [*directory.channel(channel).providers, *([callbacks] if channel == callbacks.channel else [])]


def _failed_try(spec: ProviderSpec, error: ProviderError) -> ProviderTry:
    return ProviderTry(provider=spec.name, started_at=datetime.now(UTC), latency_ms=0.0, error=error)
