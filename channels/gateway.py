"""The front door: hand messages in, get results out as they come.

A session belongs to one drain of one lane. Every provider has its bulkhead, shared by all sessions of the process.
Within one attempt a message falls over to the next provider when the fault is the provider's; a timeout after the
handing over does so only where the channel prefers a duplicate to a loss.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Final
from uuid import UUID

from channels import directory, routing
from channels.bulkhead import BulkheadClosed
from channels.directory import CALLBACK_PROVIDER, TEST_PROVIDER, ProviderSpec
from channels.errors import (
    Misconfigured,
    NoProvider,
    OutcomeUnknown,
    ProviderError,
    Throttled,
)
from channels.limiter import Limiter
from channels.lines import Handover, Journey, Line, Lines
from channels.routing import Candidate
from channels.types import OutboundMessage, ProviderTry, SendReceipt, SendResult

#: How long a drain waits by itself for a provider's rate limit; longer waits go back to the table.
RATE_PATIENCE_S: Final = 2.0


_lines = Lines()


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
        self._withdrawn: set[UUID] = set()
        #: time.monotonic() after which nothing more may be handed over: the messages are no longer ours.
        self.valid_until = float("inf")

    @property
    def pending(self) -> int:
        """How many messages have no result yet."""
        return self._out + len(self._waiting) + len(self._results)

    @property
    def concurrency(self) -> int:
        """How many conversations the channel's providers allow at once, all together; those that need no configuration
        (sandbox, callbacks) allow some in any case."""
        configured = sum(spec.max_concurrency for spec in directory.channel(self._channel).providers)
        return max(configured, directory.built_in(TEST_PROVIDER).max_concurrency)

    def submit(self, messages: Iterable[OutboundMessage]) -> None:
        """Takes messages to hand over; each will have exactly one result in ``collect``."""
        journeys = [Journey(message, deque(self._candidates(message))) for message in messages]
        self._advance(journeys)

    def collect(self, *, timeout: float, at_most: int) -> list[SendResult]:
        """Results that have come, up to ``at_most``; waits up to ``timeout`` seconds for the first."""
        self._retry_waiting()
        self._drain_answers(at_most, timeout if not self._results else 0.0)
        return [self._results.popleft() for _ in range(min(at_most, len(self._results)))]

    def withdraw(self) -> list[UUID]:
        """Takes back what was not yet handed to a provider; those messages will have no result."""
        ids = [journey.message.id for journey in self._waiting]
        self._waiting.clear()
        mine: list[UUID] = []
        for work in self._withdraw_queued():
            mine += [journey.message.id for journey in work.journeys]
        self._out -= len(mine)
        return ids + mine

    def _withdraw_queued(self) -> Iterator[Handover]:
        for line in _lines.all():
            for work in line.bulkhead.withdraw(
                self._priority, lambda queued: not (isinstance(queued, Handover) and queued.owner is self)
            ):
                if isinstance(work, Handover):
                    yield work

    def _candidates(self, message: OutboundMessage) -> Sequence[Candidate]:
        if message.test:
            return (Candidate(directory.built_in(TEST_PROVIDER), "test key: the sandbox only"),)
        if message.signing_secret:
            return (Candidate(directory.built_in(CALLBACK_PROVIDER), "status callback"),)
        return routing.rank(directory.channel(self._channel).providers, rng=self._rng)

    def _advance(self, journeys: Iterable[Journey]) -> None:
        """Sends each journey to its next candidate, as far as rate limits allow."""
        groups: dict[str, list[Journey]] = defaultdict(list)
        for journey in journeys:
            if journey.candidates:
                groups[journey.candidates[0].provider.name].append(journey)
            else:
                self._finish_without_candidate(journey)
        for group in groups.values():
            self._hand_to_provider(group[0].candidates[0].provider, group)

    def _finish_without_candidate(self, journey: Journey) -> None:
        error: ProviderError = NoProvider(f"no provider is enabled for {self._channel}")
        if journey.tries:
            error = journey.tries[-1].error or error
        self._finish(journey, error=error)

    def _hand_to_provider(self, spec: ProviderSpec, journeys: list[Journey]) -> None:
        try:
            line = _lines.line(spec)
        except Misconfigured as error:
            for journey in journeys:
                self._take_answer(journey, journey.candidates.popleft(), _failed_try(spec, error))
            return
        granted, more_in = self._limiter.take(provider=spec.name, rate=spec.rate_limit, wanted=len(journeys))
        for chunk in _chunks(journeys[:granted], line):
            self._out += len(chunk)
            self._submit(line, chunk)
        for journey in journeys[granted:]:
            self._wait_for_rate(journey, more_in)

    def _submit(self, line: Line, chunk: list[Journey]) -> None:
        handover = self._handover(line, chunk)
        try:
            line.bulkhead.submit(self._priority, handover)
        except BulkheadClosed:
            # Somebody else saw a newer configuration between our look and this step. Ours is as good for one more call.
            again = _lines.line(line.spec)
            again.bulkhead.submit(self._priority, handover.by(again))

    def _handover(self, line: Line, journeys: list[Journey]) -> Handover:
        return Handover(
            owner=self,
            line=line,
            pairs=[(journey, journey.candidates.popleft()) for journey in journeys],
            answer=lambda journey, candidate, attempt: self._answers.put((journey, candidate, attempt)),
            valid_until=lambda: self.valid_until,
        )

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
        journey.tries.append(attempt)
        if attempt.error is None:
            self._finish(journey, receipt=attempt.receipt)
        elif journey.candidates and self._may_fall_over(journey, attempt.error):
            self._advance([journey])
        else:
            self._finish(journey, error=attempt.error)

    def _may_fall_over(self, journey: Journey, error: ProviderError) -> bool:
        if journey.message.deadline <= datetime.now(UTC) or time.monotonic() > self.valid_until:
            return False
        if isinstance(error, OutcomeUnknown):
            return not directory.channel(self._channel).hold_unknown
        return error.provider_fault or isinstance(error, Throttled)

    def _finish(
        self, journey: Journey, *, receipt: SendReceipt | None = None, error: ProviderError | None = None
    ) -> None:
        self._results.append(
            SendResult(message=journey.message, tries=tuple(journey.tries), receipt=receipt, error=error)
        )


def _failed_try(spec: ProviderSpec, error: ProviderError) -> ProviderTry:
    return ProviderTry(provider=spec.name, started_at=datetime.now(UTC), latency_ms=0.0, error=error)


def _chunks(journeys: list[Journey], line: Line) -> Iterator[list[Journey]]:
    """Batches for one provider: spread over its places before they grow, and a message with less time left than the
    provider may take goes alone, since a batch has the patience of its most urgent message."""
    patience = datetime.now(UTC) + timedelta(seconds=line.spec.timeout_s)
    urgent = [journey for journey in journeys if journey.message.deadline < patience]
    others = [journey for journey in journeys if journey.message.deadline >= patience] if urgent else journeys
    yield from ([journey] for journey in urgent)
    places = line.spec.max_concurrency
    size = max(1, min(line.adapter.batch_size, -(-len(others) // places)))
    for start in range(0, len(others), size):
        yield others[start : start + size]


class _Shared:
    limiter: Limiter | None = None


def open_session(*, channel: str, priority: str, rng: random.Random | None = None) -> Session:
    """A session for a lane's messages."""
    if _Shared.limiter is None:
        _Shared.limiter = Limiter()
    return Session(channel=channel, priority=priority, limiter=_Shared.limiter, rng=rng or random.Random())


def send_batch(messages: Sequence[OutboundMessage], *, channel: str, priority: str) -> Iterator[SendResult]:
    """Hands ``messages`` over and yields a result for each as it comes."""
    session = open_session(channel=channel, priority=priority)
    session.submit(messages)
    while session.pending:
        yield from session.collect(timeout=1.0, at_most=len(messages))


def channel_orders(name: str) -> directory.ChannelSpec:
    """What the dispatcher has to know of a channel: the time a step has, and what to do when an outcome is unknown."""
    return directory.channel(name)
