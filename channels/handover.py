"""A handover: one call of an adapter with the messages that go over one line together."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from channels import quality
from channels.errors import InternalFault, LeaseLost, Misdirected, OutcomeUnknown, ProviderError, TooLate
from channels.lines import Line
from channels.routing import Candidate
from channels.specs import takes_tests
from channels.types import OutboundMessage, ProviderTry, SendReceipt

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Journey:
    """One message in one attempt: where it may still go and what it has seen. ``waits_until`` and ``waits_since``:
    time.monotonic() of the next look for a place, and since when it looks for one."""

    message: OutboundMessage
    candidates: deque[Candidate]
    tries: list[ProviderTry] = field(default_factory=list)
    waits_until: float = 0.0
    waits_since: float | None = None


@dataclass(slots=True)
class Lease:
    """Until when (time.monotonic()) a session's messages are its own, and which have passed to somebody else."""

    until: float = float("inf")
    lost: set[UUID] = field(default_factory=set)

    def covers(self, identifier: UUID) -> bool:
        """Whether the message may still be handed over by us."""
        return time.monotonic() <= self.until and identifier not in self.lost


Answered = Callable[[Journey, Candidate, ProviderTry], None]


class Handover:
    """One call of an adapter, run in one of its provider's places."""

    def __init__(
        self,
        *,
        owner: object,
        line: Line,
        pairs: list[tuple[Journey, Candidate]],
        answer: Answered,
        lease: Lease,
    ) -> None:
        self.owner = owner
        self._answered = answer
        self._lease = lease
        self._line = line
        self._takes_tests = takes_tests(line.spec)
        self._pairs = {journey.message.id: (journey, candidate) for journey, candidate in pairs}

    @property
    def journeys(self) -> list[Journey]:
        """The messages on board."""
        return [journey for journey, _candidate in self._pairs.values()]

    def move_to(self, line: Line) -> None:
        """Goes over another line of the same provider."""
        self._line, self._takes_tests = line, takes_tests(line.spec)

    def __call__(self) -> None:
        began, started_at = time.monotonic(), datetime.now(UTC)
        left = dict(self._pairs)
        asked: set[UUID] = set()
        name, messages = self._line.spec.name, len(left)
        quality.hand_over(provider=name, messages=messages, now=started_at)
        failure = self._converse(left, asked)
        quality.came_back(provider=name, messages=messages, now=datetime.now(UTC))
        for identifier, pair in left.items():
            error = failure if identifier in asked else self._objection(pair[0].message) or failure
            if isinstance(error, OutcomeUnknown) and identifier not in asked:
                error = InternalFault(f"{name}: not handed over, {error.detail}")
            self._answer(pair, error, started_at, (time.monotonic() - began) * 1000)

    def _converse(self, left: dict[UUID, tuple[Journey, Candidate]], asked: set[UUID]) -> ProviderError:
        """Hands over what is in ``left``, takes out what was answered, notes what the adapter took in ``asked``, and
        returns why the rest has no answer."""
        spec = self._line.spec
        started_at, began = datetime.now(UTC), time.monotonic()
        messages = [journey.message for journey, _candidate in left.values()]
        try:
            answers = self._line.adapter.send_batch(self._permitted(messages, asked), timeout=self._timeout(messages))
            for message, answer in answers:
                now = time.monotonic()
                self._answer(left.pop(message.id), answer, started_at, (now - began) * 1000)
                started_at, began = datetime.now(UTC), now
        except ProviderError as error:
            return error
        except Exception:  # the edge to adapters' code: a defect there must not lose a message
            logger.exception("adapter %s raised what it must not", spec.adapter, extra={"provider": spec.name})
            return OutcomeUnknown(f"{spec.name}: defect in the adapter {spec.adapter}")
        return OutcomeUnknown(f"{spec.name}: the adapter gave no answer")

    def _permitted(self, messages: Sequence[OutboundMessage], asked: set[UUID]) -> Iterator[OutboundMessage]:
        """``messages`` as the adapter takes them, one by one, each looked at in the last moment: it may have waited for
        its place, and the whole process may have stood still meanwhile."""
        for message in messages:
            if self._objection(message) is None:
                asked.add(message.id)
                yield message

    def _objection(self, message: OutboundMessage) -> ProviderError | None:
        if not self._lease.covers(message.id):
            return LeaseLost()
        # Whoever chose the provider: tests reach nobody real, and others no stage.
        if message.test != self._takes_tests:
            return Misdirected()
        return TooLate() if message.deadline <= datetime.now(UTC) else None

    def _timeout(self, messages: Sequence[OutboundMessage]) -> float:
        now = datetime.now(UTC)
        left = min(
            (message.deadline - now for message in messages if message.deadline > now), default=timedelta()
        ).total_seconds()
        return max(0.05, min(self._line.spec.timeout_s, left))

    def _answer(
        self,
        pair: tuple[Journey, Candidate],
        answer: SendReceipt | ProviderError,
        started_at: datetime,
        latency_ms: float,
    ) -> None:
        journey, candidate = pair
        receipt, error = (None, answer) if isinstance(answer, ProviderError) else (answer, None)
        attempt = ProviderTry(
            provider=self._line.spec.name,
            started_at=started_at,
            latency_ms=latency_ms,
            receipt=receipt,
            error=error,
            reason=candidate.reason,
        )
        self._line.pace.count()
        self._answered(journey, candidate, attempt)


def chunks(journeys: list[Journey], line: Line) -> Iterator[list[Journey]]:
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
