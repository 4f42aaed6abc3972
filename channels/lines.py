"""The lines of this process to its providers, and how a batch goes over one of them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from uuid import UUID

from channels import registry
from channels.adapters.base import Adapter
from channels.bulkhead import Bulkhead
from channels.directory import ProviderSpec
from channels.errors import ConfigurationError, LeaseLost, Misconfigured, OutcomeUnknown, ProviderError
from channels.routing import Candidate
from channels.types import OutboundMessage, ProviderTry, SendReceipt

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Journey:
    """One message in one attempt: where it may still go and what it has seen."""

    message: OutboundMessage
    candidates: deque[Candidate]
    tries: list[ProviderTry] = field(default_factory=list)
    waits_until: float = 0.0


class Line:
    """A provider's line: its adapter behind its bulkhead."""

    def __init__(self, spec: ProviderSpec, adapter: Adapter) -> None:
        self.spec = spec
        self.adapter = adapter
        self.bulkhead = Bulkhead(name=spec.name, size=spec.max_concurrency)
        self.closed = False

    def serves(self, spec: ProviderSpec) -> bool:
        """Whether this line is open, and is the one that ``spec`` describes."""
        return not self.closed and self.spec.fingerprint == spec.fingerprint

    def close(self) -> None:
        """Ends the line once what is on it has come through. Once is enough."""
        if not self.closed:
            self.closed = True
            self.bulkhead.close(then=self.adapter.close)


class Lines:
    """The lines of this process, opened on first use and replaced when their provider's configuration changes."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._lock = Lock()

    def line(self, spec: ProviderSpec) -> Line:
        """The line to ``spec``. Raises Misconfigured when its adapter does not accept the configuration."""
        line = self._lines.get(spec.name)
        if line is not None and line.serves(spec):
            return line
        with self._lock:
            line = self._lines.get(spec.name)
            if line is None or not line.serves(spec):
                try:
                    adapter = registry.build(
                        adapter=spec.adapter,
                        provider=spec.name,
                        config=dict(spec.config),
                        concurrency=spec.max_concurrency,
                    )
                except ConfigurationError as error:
                    raise Misconfigured(f"provider {spec.name}: {error}") from error
                old, line = line, Line(spec, adapter)
                self._lines[spec.name] = line
                if old is not None:
                    old.close()
        return line

    def all(self) -> list[Line]:
        """The lines that are open."""
        return list(self._lines.values())


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
        valid_until: Callable[[], float],
    ) -> None:
        self.owner = owner
        self._answered = answer
        self._valid_until = valid_until
        self._line = line
        self._pairs = {journey.message.id: (journey, candidate) for journey, candidate in pairs}

    @property
    def journeys(self) -> list[Journey]:
        """The messages on board."""
        return [journey for journey, _candidate in self._pairs.values()]

    def by(self, line: Line) -> Handover:
        """The same call, over another line of the same provider."""
        self._line = line
        return self

    def __call__(self) -> None:
        left = dict(self._pairs)
        began = time.monotonic()
        failure = LeaseLost() if began > self._valid_until() else self._converse(left)
        for pair in left.values():
            self._answer(pair, failure, datetime.now(UTC), (time.monotonic() - began) * 1000)

    def _converse(self, left: dict[UUID, tuple[Journey, Candidate]]) -> ProviderError:
        """Hands over what is in ``left``, takes out what was answered, and returns why the rest was not."""
        spec = self._line.spec
        started_at, began = datetime.now(UTC), time.monotonic()
        messages = [journey.message for journey, _candidate in left.values()]
        try:
            for message, answer in self._line.adapter.send_batch(messages, timeout=self._timeout(messages)):
                now = time.monotonic()
                self._answer(left.pop(message.id), answer, started_at, (now - began) * 1000)
                started_at, began = datetime.now(UTC), now
        except ProviderError as error:
            return error
        except Exception:  # the edge to adapters' code: a defect there must not lose a message
            logger.exception("adapter %s raised what it must not", spec.adapter, extra={"provider": spec.name})
            return OutcomeUnknown(f"{spec.name}: defect in the adapter {spec.adapter}")
        return OutcomeUnknown(f"{spec.name}: the adapter gave no answer")

    def _timeout(self, messages: Sequence[OutboundMessage]) -> float:
        left = (min(message.deadline for message in messages) - datetime.now(UTC)).total_seconds()
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
        self._answered(journey, candidate, attempt)
