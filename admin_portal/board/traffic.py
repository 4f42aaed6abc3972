"""The last hour by provider and by channel, from the minutes that are rolled up. Pure but for one query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from channels.histogram import Histogram
from channels.models import ProviderMinute

MINUTES: Final = 60
#: Minutes of one point of a curve.
_SPAN: Final = 2
POINTS: Final = MINUTES // _SPAN
#: "Now" is the last so many minutes: one that is not rolled up yet does not make a rate fall to nothing.
_LATELY: Final = 5

Row = tuple[str, str, datetime, int, int, bytes | memoryview]


@dataclass
class Tally:
    """So many messages in a span of time."""

    successes: int = 0
    faults: int = 0
    #: How long they took, minute by minute, as the rows have it: most of it nobody asks for.
    packed: list[bytes] = field(default_factory=list)

    def add(self, successes: int, faults: int, packed: bytes) -> None:
        """Adds what a minute of a provider has counted; not after ``latency`` was read."""
        self.successes += successes
        self.faults += faults
        self.packed.append(packed)

    @cached_property
    def latency(self) -> Histogram:
        """How long they took: milliseconds."""
        return Histogram.unpack(*self.packed)

    @property
    def success_rate(self) -> float | None:
        """Of what says something of the provider, the share that it took; None of nothing."""
        samples = self.successes + self.faults
        return self.successes / samples if samples else None


@dataclass(slots=True)
class Traffic:
    """An hour of a provider or of a channel."""

    spans: list[Tally] = field(default_factory=lambda: [Tally() for _ in range(POINTS)])
    lately: Tally = field(default_factory=Tally)

    @property
    def per_minute(self) -> float:
        """Messages taken a minute, lately."""
        return self.lately.successes / _LATELY

    @property
    def success_rates(self) -> list[float | None]:
        """By span, the oldest first."""
        return [span.success_rate for span in self.spans]

    @property
    def p95s(self) -> list[float | None]:
        """Milliseconds by span."""
        return [span.latency.quantile(0.95) for span in self.spans]

    @property
    def rates(self) -> list[float | None]:
        """Messages a minute by span."""
        return [span.successes / _SPAN for span in self.spans]


@dataclass(frozen=True, slots=True)
class Traffics:
    """All of them, by name."""

    providers: Mapping[str, Traffic]
    channels: Mapping[str, Traffic]

    def provider(self, name: str) -> Traffic:
        """One provider's; one who did nothing has an empty one."""
        return self.providers.get(name) or Traffic()

    def channel(self, name: str) -> Traffic:
        """One channel's."""
        return self.channels.get(name) or Traffic()


def read(*, now: datetime) -> Traffics:
    """The last hour. One query."""
    first = _first_minute(now)
    rows = ProviderMinute.objects.filter(minute__gte=first).values_list(
        "provider", "channel", "minute", "successes", "provider_faults", "latency_ms"
    )
    return add_up(rows, now=now)


def _first_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)


def add_up(rows: Iterable[Row], *, now: datetime) -> Traffics:
    """Minutes into spans, for each provider and each channel. The minute that has just begun is in the last span."""
    first = _first_minute(now)
    providers: dict[str, Traffic] = defaultdict(Traffic)
    channels: dict[str, Traffic] = defaultdict(Traffic)
    for provider, channel, minute, successes, faults, packed in rows:
        place = int((minute - first).total_seconds()) // 60
        if not 0 <= place < MINUTES:
            continue
        # The present minute has hardly begun: it says how well, but not how many.
        is_lately = MINUTES - 1 - _LATELY <= place < MINUTES - 1
        latency = bytes(packed)
        for traffic in (providers[provider], channels[channel]):
            traffic.spans[place // _SPAN].add(successes, faults, latency)
            if is_lately:
                traffic.lately.add(successes, faults, latency)
    return Traffics(providers, channels)
