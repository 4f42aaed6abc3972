"""Peak shaving, decided: what a lane that is too deep does with a request that would make it deeper. Pure.

Below its soft limit a lane takes everything. Between soft and hard it takes a share of what comes, which falls from all
to nothing, so that what comes in settles to what goes out instead of going off and on. At the hard limit it takes
nothing. Whoever is refused hears when to come back: when the backlog above the soft limit will have drained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The bounds of what is told as Retry-After, in seconds.
MIN_WAIT_S: Final = 1.0
MAX_WAIT_S: Final = 300.0
#: Up to so much longer than computed, by chance: those refused together must not come back together.
_JITTER: Final = 0.5
#: What is told while nobody knows yet how fast a lane drains. Seconds.
_UNKNOWN_WAIT_S: Final = 30.0


class State(StrEnum):
    """How a lane receives what comes."""

    OPEN = "open"
    SLOWED = "slowed"
    REFUSING = "refusing"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a lane's depth. From ``soft`` on it is slowed, from ``hard`` on it refuses."""

    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A lane as it was measured: how many deliveries were due, and how many of those that wait leave it in a second
    (None: not known)."""

    lane: str
    depth: int
    per_second: float | None
    limits: Limits

    @property
    def state(self) -> State:
        """How the lane receives what comes."""
        if self.depth >= self.limits.hard:
            return State.REFUSING
        return State.SLOWED if self.depth >= self.limits.soft else State.OPEN

    @property
    def share(self) -> float:
        """How much of what comes it takes, from 0 to 1."""
        if self.state is not State.SLOWED:
            return float(self.state is State.OPEN)
        return (self.limits.hard - self.depth) / (self.limits.hard - self.limits.soft)

    @property
    def drained_in_s(self) -> float:
        """Seconds until it will be back at its soft limit, if nothing more comes."""
        excess = max(0, self.depth - self.limits.soft)
        if self.per_second is None:
            return _UNKNOWN_WAIT_S
        return excess / self.per_second if self.per_second > 0 else MAX_WAIT_S


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request is not taken because of ``load``; asking again makes sense after ``retry_after_s``."""

    load: Load
    retry_after_s: float


def decide(loads: Sequence[Load], *, draw: float, jitter: float) -> Refusal | None:
    """Whether a request that goes to lanes with these loads is refused; None: it is taken. One lane that would not take
    it is enough, and of several the one that takes longest is named. ``draw`` and ``jitter`` are chance, from 0 up to,
    and without, 1."""
    refusing = [load for load in loads if draw >= load.share]
    if not refusing:
        return None
    slowest = max(refusing, key=lambda load: load.drained_in_s)
    return Refusal(slowest, retry_after(slowest, jitter=jitter))


def retry_after(load: Load, *, jitter: float) -> float:
    """Seconds after which asking again makes sense, within the bounds."""
    wait = min(max(load.drained_in_s, MIN_WAIT_S), MAX_WAIT_S / (1 + _JITTER))
    return wait * (1 + _JITTER * jitter)


@dataclass(frozen=True, slots=True)
class Count:
    """What counting a lane found: how many are due, and how many of them were due the time before already. ``capped``:
    there are more, nobody counted further."""

    depth: int
    still: int
    capped: bool


#: How long it takes a rate to forget: a burst does not make it, a change of minutes does. Seconds.
_MEMORY_S: Final = 15.0
#: A shorter time says nothing.
_TOO_SOON_S: Final = 0.1


def drain_rate(*, before: int, rate: float | None, count: Count, seconds: float) -> float | None:
    """How many a second leave a lane, of those that wait in it: ``before`` were due ``seconds`` ago, when ``rate`` was
    thought to be it. Smoothed. What came and went in between is not in it, and what was refused by providers and waits
    for another try is. Where the figures say nothing, ``rate`` stands."""
    left = before - count.still
    # Below 0: some came late, under the date of before.
    if count.capped or left < 0 or before == 0 or seconds < _TOO_SOON_S:
        return rate
    seen = left / seconds
    if rate is None:
        return seen
    if count.still == 0:  # all of them left, who knows how soon
        return max(rate, seen)
    weight = seconds / (seconds + _MEMORY_S)
    return rate + (seen - rate) * weight
