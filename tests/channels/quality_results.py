"""Results for tests of quality, and processes that count them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from channels.errors import ProviderError
from channels.figures import Figures
from channels.quality.ledger import Ledger
from channels.quality.reading import Reading, Span
from channels.quality.store import Store
from channels.quality.tally import notes_of
from channels.types import OutboundMessage, ProviderTry, SendReceipt, SendResult

MINUTE = Span(window_s=60, late_after_s=300)


def result(
    *errors: ProviderError | None, ms: float = 10.0, provider: str = "a", receipts: bool = False, test: bool = False
) -> SendResult:
    """One message and a try of it for each of ``errors``; None is a success."""
    at = datetime.now(UTC)
    message = OutboundMessage(
        id=uuid4(), channel="sms", priority="normal", to="+1", text="x", deadline=at + timedelta(hours=1), test=test
    )
    tries = tuple(
        ProviderTry(
            provider=provider,
            started_at=at,
            latency_ms=ms,
            receipt=SendReceipt(receipts=receipts) if error is None else None,
            error=error,
        )
        for error in errors
    )
    last = tries[-1] if tries else None
    return SendResult(
        message=message, tries=tries, receipt=last.receipt if last else None, error=last.error if last else None
    )


class Process:
    """A process that counts, whose clock is wrong by ``skew`` seconds."""

    def __init__(self, *, skew: float = 0.0) -> None:
        self.clock: Callable[[], float] = lambda: time.time() + skew
        self.ledger = Ledger()
        self.store = Store(clock=self.clock)

    def note(self, *results: SendResult, ago: float = 0.0) -> None:
        """Counts ``results``."""
        self.ledger.note(notes_of(results), now=self.clock() - ago)

    def publish(self) -> bool:
        """Tells the others."""
        return self.store.publish(self.ledger, now=self.clock())

    def tell(self, *results: SendResult, ago: float = 0.0) -> None:
        """Counts ``results`` and tells the others, who must hear it."""
        self.note(*results, ago=ago)
        assert self.publish()

    def read(self, *spans: Span) -> Reading:
        """What it knows of all."""
        return self.store.read(self.ledger, spans or (MINUTE,), now=self.clock())

    def figures(self, *providers: str, span: Span = MINUTE) -> Figures:
        """What it knows of ``providers``."""
        return self.read(span).figures(*(providers or ("a",)), span=span)
