"""What a window says of one provider, or of all providers of a channel together: plain frozen data, for decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Tries of the last ``window_s`` seconds. A try is one conversation with one provider about one message."""

    window_s: float = 60.0
    #: Seconds of the window since the first try in it (at most window_s): 3 of 60 when traffic began 3 s ago. 0: none.
    covered_s: float = 0.0
    tries: int = 0
    successes: int = 0
    #: Tries that failed by the provider's fault (errors.provider_fault), timeouts among them.
    provider_faults: int = 0
    #: Of those, the ones without an answer (OutcomeUnknown).
    timeouts: int = 0
    #: Neither of these two says anything of the provider's quality, nor are they in ``samples``.
    recipient_faults: int = 0  # recipient_rejected, message_rejected, an endpoint's own failures, our own defects
    throttled: int = 0
    #: All errors by code (errors.ProviderError.code), for words.
    errors: Mapping[str, int] = field(default_factory=dict)
    #: Provider faults in a row up to now, over all processes (approximate where several processes send at once).
    consecutive_faults: int = 0
    #: Of successes and timeouts, in ms, within 5%. None without any. (A refused connection is quick, and no credit.)
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    #: Handed over and not answered now; and for how long nothing at all was heard while something was out.
    in_flight: int = 0
    silent_s: float = 0.0
    #: Receipts: of messages sent in the window_s seconds that ended late_after_s ago, i.e. whose time is up:
    #: how many should have reported by now, and how many of them did not within late_after_s (or not at all).
    receipts_due: int = 0
    receipts_late: int = 0
    #: Of those due, how many reports came at all (late ones too), and how many of these said "not delivered".
    receipts_come: int = 0
    receipts_failed: int = 0
    receipt_p95_s: float | None = None
    #: Seconds since the newest try. None: none in the window.
    newest_s: float | None = None
    #: False when Redis is away and only this process's own tries are in here.
    shared: bool = True

    @property
    def samples(self) -> int:
        """What says something of the provider: successes and provider faults. ``min_samples`` is about these."""
        return self.successes + self.provider_faults

    @property
    def error_rate(self) -> float:
        """Provider faults among the samples; 0.0 without any."""
        return self.provider_faults / self.samples if self.samples else 0.0

    @property
    def late_receipt_rate(self) -> float:
        """Late among those due; 0.0 without any."""
        return self.receipts_late / self.receipts_due if self.receipts_due else 0.0
