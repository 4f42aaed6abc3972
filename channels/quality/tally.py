"""Tallies: what was counted of one provider in one slot of time. They can be added up, over slots and processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson

from channels.errors import InternalFault, OutcomeUnknown, ProviderError, Throttled
from channels.histogram import Histogram
from channels.names import is_staged, staged
from channels.types import ProviderTry, SendResult

#: A longer run of faults says no more.
_RUN_AT_MOST: Final = 1000
#: Nor do more successes before it (``Trip.good`` of the policies, by default 20).
_GOOD_AT_MOST: Final = 50


@dataclass(slots=True)
class Tally:
    """Tries of one provider; ``channel`` is the one it carries for. Latencies are those of successes and of timeouts:
    a connection that is refused at once says nothing good of a provider."""

    channel: str = ""
    first_at: float = 0.0
    last_at: float = 0.0
    successes: int = 0
    provider_faults: int = 0
    timeouts: int = 0
    recipient_faults: int = 0
    throttled: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency_ms: Histogram = field(default_factory=Histogram)
    #: Of the messages handed over in this slot: how many the provider will report on, and what it has reported so far.
    awaited: int = 0
    come: int = 0
    undelivered: int = 0
    delay_s: Histogram = field(default_factory=Histogram)

    @property
    def tries(self) -> int:
        """All of them."""
        return self.successes + sum(self.errors.values())

    def add(self, attempt: ProviderTry) -> None:
        """Counts one try."""
        if attempt.error is not None:
            self._add_error(attempt.error, attempt.latency_ms)
            return
        self.successes += 1
        self.latency_ms.add(attempt.latency_ms)
        if attempt.receipt is not None and attempt.receipt.receipts:
            self.awaited += 1

    def _add_error(self, error: ProviderError, latency_ms: float) -> None:
        self.errors[error.code] = self.errors.get(error.code, 0) + 1
        if error.provider_fault:
            self.provider_faults += 1
            if isinstance(error, OutcomeUnknown):
                self.timeouts += 1
                self.latency_ms.add(latency_ms)
        elif isinstance(error, Throttled):
            self.throttled += 1
        elif not isinstance(error, InternalFault):
            self.recipient_faults += 1

    def add_receipt(self, *, delay_s: float, delivered: bool) -> None:
        """Counts one report."""
        self.come += 1
        self.undelivered += not delivered
        self.delay_s.add(delay_s)

    def merge(self, other: Tally) -> None:
        """Adds what ``other`` has counted."""
        self.channel = other.channel or self.channel
        self.first_at = min(filter(None, (self.first_at, other.first_at)), default=0.0)
        self.last_at = max(self.last_at, other.last_at)
        self.successes += other.successes
        self.provider_faults += other.provider_faults
        self.timeouts += other.timeouts
        self.recipient_faults += other.recipient_faults
        self.throttled += other.throttled
        for code, count in other.errors.items():
            self.errors[code] = self.errors.get(code, 0) + count
        self.latency_ms.merge(other.latency_ms)
        self.awaited += other.awaited
        self.come += other.come
        self.undelivered += other.undelivered
        self.delay_s.merge(other.delay_s)


@dataclass(slots=True)
class Pulse:
    """How things stand between one process and a provider: no count, but the last word, and so never added up."""

    at: float = 0.0
    in_flight: int = 0
    #: Since when nothing was heard, or, where nothing was out, since something is.
    quiet_since: float = 0.0
    #: Provider faults in a row, the moment of the first of them, and that of the last success.
    run: int = 0
    run_since: float = 0.0
    success_at: float = 0.0


@dataclass(slots=True)
class Run:
    """Faults in a row, by the moments of their answers. What falls over to another provider is told of later than what
    went well in the same moment: by the order of telling, a burst with a few faults would end with all of them."""

    faults: list[float] = field(default_factory=list)
    success_at: float = 0.0
    #: The last successes, and the last fault that one of them came after.
    successes: deque[float] = field(default_factory=partial(deque, maxlen=_GOOD_AT_MOST))
    broken_at: float = 0.0

    @property
    def good_before(self) -> int:
        """Successes in a row just before the faults, as far as they are counted."""
        return sum(at > self.broken_at for at in self.successes)

    def succeed(self, at: float) -> None:
        """A success that was answered at this moment."""
        self.successes.append(at)
        self._overtake(at)

    def fail(self, at: float) -> None:
        """A fault that was answered at this moment."""
        if at < self.success_at:
            self.broken_at = max(self.broken_at, at)
        elif len(self.faults) < _RUN_AT_MOST:
            self.faults.append(at)

    def follow(self, later: Run) -> None:
        """Goes on with what was told of later."""
        self.successes.extend(later.successes)
        self.broken_at = max(self.broken_at, later.broken_at)
        if later.success_at:
            self._overtake(later.success_at)
        for at in later.faults:
            self.fail(at)

    def _overtake(self, at: float) -> None:
        if at > self.success_at:
            self.success_at = at
        if not self.faults:  # nearly always: this is asked of every message that is sent
            return
        overtaken = [one for one in self.faults if one <= at]
        if overtaken:
            self.broken_at = max(self.broken_at, *overtaken)
            self.faults = [one for one in self.faults if one > at]


@dataclass(slots=True)
class Note:
    """What one batch of results says of one provider."""

    tally: Tally = field(default_factory=Tally)
    run: Run = field(default_factory=Run)

    def add(self, attempt: ProviderTry) -> None:
        """Counts one try."""
        self.tally.add(attempt)
        if attempt.error is None:
            self.run.succeed(_answered_at(attempt))
        elif attempt.error.provider_fault:
            self.run.fail(_answered_at(attempt))


def _answered_at(attempt: ProviderTry) -> float:
    return attempt.started_at.timestamp() + attempt.latency_ms / 1000


def notes_of(results: Iterable[SendResult]) -> dict[str, Note]:
    """What ``results`` say, by provider. Test keys' messages say nothing of anybody but those whom a drill plays."""
    notes: dict[str, Note] = {}
    for result in results:
        channel, tries = result.message.channel, result.tries
        if result.message.test:
            channel, tries = staged(channel), tuple(one for one in tries if is_staged(one.provider))
        for attempt in tries:
            if attempt.error is not None and not attempt.error.asked:
                continue
            note = notes.get(attempt.provider)
            if note is None:
                note = notes[attempt.provider] = Note(Tally(channel=channel))
            note.add(attempt)
    return notes


# --- written down -----------------------------------------------------------------------------------------------------

#: Processes of two versions read each other's: a key that one does not know it passes over.
_COUNTS = (
    "successes",
    "provider_faults",
    "timeouts",
    "recipient_faults",
    "throttled",
    "awaited",
    "come",
    "undelivered",
)


def encode(tally: Tally, pulse: Pulse | None = None) -> bytes:
    """A tally as bytes, and with it how things stood then."""
    written: dict[str, Any] = {name: count for name in _COUNTS if (count := getattr(tally, name))}
    if tally.channel:
        written["channel"] = tally.channel
    if tally.last_at:
        written["times"] = (tally.first_at, tally.last_at)
    if tally.errors:
        written["errors"] = tally.errors
    for name in ("latency_ms", "delay_s"):
        histogram: Histogram = getattr(tally, name)
        if histogram.counts:
            written[name] = histogram.as_list()
    if pulse is not None:
        written["pulse"] = pulse
    return orjson.dumps(written)


def decode(encoded: bytes) -> tuple[Tally, Pulse | None]:
    """What ``encode`` wrote. Raises ValueError for anything else."""
    read = orjson.loads(encoded)
    try:
        first_at, last_at = read.get("times", (0.0, 0.0))
        tally = Tally(
            channel=read.get("channel", ""),
            first_at=first_at,
            last_at=last_at,
            errors=read.get("errors", {}),
            latency_ms=Histogram.from_list(read.get("latency_ms", ())),
            delay_s=Histogram.from_list(read.get("delay_s", ())),
            **{name: read.get(name, 0) for name in _COUNTS},
        )
        pulse = read.get("pulse")
        known = {name: pulse[name] for name in Pulse.__slots__ if name in pulse} if pulse else None
    except (AttributeError, TypeError) as error:
        raise ValueError("this is no tally") from error
    return tally, Pulse(**known) if known is not None else None
