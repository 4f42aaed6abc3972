"""From tallies to figures: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from channels.figures import Figures
from channels.quality.ledger import MINUTE_S, SLOT_S, Slots
from channels.quality.tally import Pulse, Tally

#: Longer windows are read by the minute, and so are receipts that have longer to come.
_FINE_S: Final = 120
#: A process that has said nothing for longer has nothing in flight any more: it has ended, or stands still.
_PULSE_S: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What to look at: so many seconds up to now, and, of receipts, so many up to ``late_after_s`` seconds ago."""

    window_s: float = 60.0
    late_after_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where a span's tallies are: its slots, or its minutes. Slots and minutes that it only touches are in it."""

    slots: range = range(0)
    minutes: range = range(0)


def places_of_tries(span: Span, *, now: float) -> Places:
    """Where the tries of ``span`` are. One slot ahead: clocks agree to a few milliseconds only."""
    begin = now - span.window_s
    if span.window_s <= _FINE_S:
        return Places(slots=range(int(begin // SLOT_S), int(now // SLOT_S) + 2))
    return Places(minutes=range(int(begin // MINUTE_S), int(now // MINUTE_S) + 2))


def places_of_receipts(span: Span, *, now: float) -> Places:
    """Where the messages are whose receipts ought to be here by now; of the newest place, all of them."""
    end = now - span.late_after_s
    begin = end - span.window_s
    if span.window_s <= _FINE_S and span.late_after_s <= _FINE_S:
        return Places(slots=range(int(begin // SLOT_S), int(end // SLOT_S)))
    return Places(minutes=range(int(begin // MINUTE_S), int(end // MINUTE_S)))


def places_of_pulses(*, now: float) -> Places:
    """Where the last words of processes are."""
    return Places(slots=range(int((now - _PULSE_S) // SLOT_S), int(now // SLOT_S) + 2))


def places_of_all(spans: Iterable[Span], *, now: float) -> tuple[list[int], list[int]]:
    """All the slots and all the minutes that ``spans`` need."""
    places = [places_of_pulses(now=now)]
    for span in set(spans):
        places += [places_of_tries(span, now=now), places_of_receipts(span, now=now)]
    return (
        sorted({slot for place in places for slot in place.slots}),
        sorted({minute for place in places for minute in place.minutes}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Tallies as they were at ``now`` (the server's time), those of all processes, or, unless ``shared``, our own."""

    now: float
    slots: Slots = field(default_factory=dict)
    minutes: Slots = field(default_factory=dict)
    pulses: Mapping[str, Sequence[Pulse]] = field(default_factory=dict)
    shared: bool = True

    def figures(self, *providers: str, span: Span) -> Figures:
        """What ``span`` says of one provider, or of several together. It must be one of those that were read for, or
        a part of one."""
        tries = self._sum(places_of_tries(span, now=self.now), providers)
        due = self._sum(places_of_receipts(span, now=self.now), providers)
        pulses = [pulse for provider in providers for pulse in self.pulses.get(provider, ())]
        waiting = [pulse for pulse in pulses if pulse.in_flight and pulse.at >= self.now - _PULSE_S]
        late = max(0, due.awaited - due.delay_s.up_to(span.late_after_s))
        return Figures(
            window_s=span.window_s,
            covered_s=max(0.0, min(span.window_s, self.now - tries.first_at)) if tries.tries else 0.0,
            tries=tries.tries,
            successes=tries.successes,
            provider_faults=tries.provider_faults,
            timeouts=tries.timeouts,
            recipient_faults=tries.recipient_faults,
            throttled=tries.throttled,
            errors=tries.errors,
            consecutive_faults=_run(pulses),
            p50_ms=tries.latency_ms.quantile(0.50),
            p95_ms=tries.latency_ms.quantile(0.95),
            p99_ms=tries.latency_ms.quantile(0.99),
            in_flight=sum(pulse.in_flight for pulse in waiting),
            silent_s=max(0.0, self.now - max(pulse.quiet_since for pulse in pulses)) if waiting else 0.0,
            receipts_due=due.awaited,
            receipts_late=late,
            receipts_come=min(due.come, due.awaited),
            receipts_failed=due.undelivered,
            receipt_p95_s=due.delay_s.quantile(0.95),
            newest_s=max(0.0, self.now - tries.last_at) if tries.tries else None,
            shared=self.shared,
        )

    def flow(self, provider: str, *, span: Span) -> float:
        """How many messages a second ``provider`` got through in ``span``, which must be one of those that were read
        for, or a part of one."""
        tallies = self._tallies(places_of_tries(span, now=self.now), [provider])
        return sum(tally.successes for tally in tallies) / span.window_s

    def _sum(self, places: Places, providers: Sequence[str]) -> Tally:
        total = Tally()
        for tally in self._tallies(places, providers):
            total.merge(tally)
        return total

    def _tallies(self, places: Places, providers: Sequence[str]) -> Iterator[Tally]:
        for kept, wanted in ((self.slots, places.slots), (self.minutes, places.minutes)):
            for place in wanted:
                tallies = kept.get(place)
                if tallies:
                    yield from (tallies[name] for name in providers if name in tallies)


def _run(pulses: Sequence[Pulse]) -> int:
    """How many faults in a row there are at least, over all processes: those of runs that began after the last success
    that anybody had."""
    success_at = max((pulse.success_at for pulse in pulses), default=0.0)
    return sum(pulse.run for pulse in pulses if pulse.run_since >= success_at)
