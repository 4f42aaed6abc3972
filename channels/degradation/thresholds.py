"""By which figures a provider or a channel is judged: a policy's rules as frozen data, every one with a default.

The keys are those of a configuration file's ``policies``; those marked "ours" go beyond the contract. A provider
without a policy of its own is judged by its channel's, and without that one by these defaults, which were chosen in
the simulation (docs/degradation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import ceil, log
from typing import Any, Self, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A group of keys. What a mapping leaves out takes its default; what it has and we do not know is left alone, so
    that processes of two versions can read the same policy."""

    @classmethod
    def parse(cls, rules: Mapping[str, Any]) -> Self:
        """The section as ``rules`` has it."""
        kinds = get_type_hints(cls)
        values: dict[str, Any] = {}
        for one in fields(cls):
            if one.name not in rules:
                continue
            value, kind = rules[one.name], kinds[one.name]
            if isinstance(kind, type) and issubclass(kind, Section):
                values[one.name] = kind.parse(value)
            else:
                values[one.name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate(Section):
    """Shares of provider faults among the samples."""

    degrade: float = 0.10
    open: float = 0.50
    #: Ours. Below this it counts as well again (hysteresis); half of ``degrade`` unless given.
    leave: float | None = None
    #: Ours. From here on a provider is opened even when no other one is well: hardly anything gets through.
    dead: float = 0.90

    @property
    def well_below(self) -> float:
        """The threshold of leaving."""
        return self.degrade / 2 if self.leave is None else self.leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Section):
    """Milliseconds at the 95th percentile."""

    degrade: float = 2000
    open: float = 5000
    #: Ours. 0.7 × ``degrade`` unless given.
    leave: float | None = None

    @property
    def well_below(self) -> float:
        """The threshold of leaving."""
        return self.degrade * 0.7 if self.leave is None else self.leave


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDelay(Section):
    """The share of receipts that are late or missing. It only ever cuts a share, down to the floor: what is left of
    the traffic is the only way to see receipts come again."""

    late_after_s: float = 300
    degrade: float = 0.15
    #: Ours. Half of ``degrade`` unless given.
    leave: float | None = None

    @property
    def well_below(self) -> float:
        """The threshold of leaving."""
        return self.degrade / 2 if self.leave is None else self.leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Section):
    """How an open provider is tried again: one message each ``interval_s``, ``successes`` in a row."""

    interval_s: float = 10
    successes: int = 5
    #: Ours. While no other provider is well, waiting costs messages: probes are quicker, and fewer.
    alone_interval_s: float = 1
    alone_successes: int = 2
    #: Ours. After so long without a message that may be a probe, the ramp begins without any.
    patience_s: float = 900
    #: Ours. Each probe that fails lengthens the wait for the next one by half, up to so many times.
    slowest: float = 3

    def back_off(self, failures: int) -> float:
        """How many times as long the wait is after so many failures in a row."""
        return min(self.slowest, 1.5 ** min(failures - 1, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Section):
    """Steps of a share, in per cent: up when it comes back, and the same steps down when it is cut."""

    steps: tuple[int, ...] = (10, 30, 60, 100)
    hold_s: float = 30
    #: Ours. What a cut leaves in the end, in per cent: enough to be judged by, where it is below the first step.
    floor: int = 3

    def above(self, share: float) -> float:
        """The next higher step."""
        return next((step / 100 for step in self.steps if step / 100 > share + 1e-9), 1.0)

    def below(self, share: float) -> float:
        """The next lower step, the last one being the floor."""
        lower = next((step / 100 for step in reversed(self.steps) if step / 100 < share - 1e-9), self.floor / 100)
        return min(share, lower)

    def at_most(self, share: float) -> float:
        """The highest step that is not above ``share``; the first one where all are."""
        return max((step / 100 for step in self.steps if step / 100 <= share + 1e-9), default=self.lowest)

    @property
    def lowest(self) -> float:
        """The first step."""
        return self.steps[0] / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip(Section):
    """Ours. When a provider is opened at once, inside a drain: a run of so many faults as chance would give once in
    ``1 / chance`` messages, going by the share of faults before the run; never fewer than ``least``, which are as rare
    in a brown-out with 30% faults. After ``good`` successes in a row it takes ``least_after_good``: no steady share of
    faults, whatever it is, gives both rows one after the other more often than ``chance``. What is left is a brown-out
    that has just begun, whose very first messages are its one chance to look like an outage."""

    least: int = 10
    good: int = 20
    least_after_good: int = 5
    chance: float = 0.00001
    #: Which share is assumed when nothing is known of before.
    assumed_rate: float = 0.3

    def run(self, rate_before: float | None, *, alone: bool, good_before: int = 0) -> int:
        """How many faults in a row it takes after ``good_before`` successes in a row; twice as many where nobody else
        is well, and a mistake costs most."""
        run = self.least_after_good if good_before >= self.good else self._by_rate(rate_before)
        return run * (2 if alone else 1)

    def _by_rate(self, rate_before: float | None) -> int:
        rate = self.assumed_rate if rate_before is None else rate_before
        rate = min(max(rate, 0.02), 0.7)
        return max(self.least, ceil(log(self.chance) / log(rate) - 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap(Section):
    """Ours. A relapse is a fault within ``forget_s`` of the last recovery. Each lengthens the waits ``growth``-fold,
    up to ``cap_s``."""

    growth: float = 2.0
    cap_s: float = 300
    forget_s: float = 600

    def lengthen(self, wait_s: float, relapses: int) -> float:
        """``wait_s`` after so many relapses. The cap never shortens it."""
        return max(wait_s, min(wait_s * self.growth ** min(relapses, 30), self.cap_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation(Section):
    """Ours. How a channel goes from one state to the next: down each ``escalate_s`` while no provider is well, up by
    the ramp's steps each ``hold_s`` while one is."""

    escalate_s: float = 5
    hold_s: float = 15
    #: Relapses lengthen ``hold_s`` up to this.
    longest_hold_s: float = 60
    #: As ``hold_s``, after nobody carried anything: what waits then has nowhere else to go.
    stopped_hold_s: float = 5
    #: When providers that carry together less than this share of the weights have to take over the rest at once, bulk
    #: is held for a moment and let in by steps, each ``surge_hold_s``.
    surge_below: float = 0.5
    surge_hold_s: float = 5
    #: Held bulk comes back at the rate that the channel had before, or at this many a second where that is more.
    least_pace: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds(Section):
    """A policy's rules."""

    window_s: float = 60
    min_samples: int = 20
    error_rate: ErrorRate = field(default_factory=ErrorRate)
    latency_p95_ms: Latency = field(default_factory=Latency)
    receipt_delay: ReceiptDelay = field(default_factory=ReceiptDelay)
    probe: Probe = field(default_factory=Probe)
    ramp: Ramp = field(default_factory=Ramp)
    #: Ours. A second, short window: what is diluted by a good minute is seen in seconds.
    recent_s: float = 10
    #: Ours. Fewer faults than this are chance, whatever their share (never more than ``min_samples``).
    min_faults: int = 5
    #: Ours. How long a cut stands before a share goes up again, and the least time between two cuts.
    cooldown_s: float = 30
    cut_hold_s: float = 10
    trip: Trip = field(default_factory=Trip)
    flap: Flap = field(default_factory=Flap)
    escalation: Escalation = field(default_factory=Escalation)


DEFAULTS = Thresholds()
