"""Messages of the simulation: their kinds, and groups of those that are alike. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, NamedTuple

_MAX_ATTEMPTS: Final = {"critical": 10, "normal": 8, "bulk": 6}
_BASE_S, _CAP_S, _MIN_S = 2.0, 600.0, 0.2
#: What comes back after its report should have come is spread over so much.
_AFTER_REPORT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of message: its share of the traffic and what it can bear."""

    name: str
    share: float
    priority: str
    deadline_s: int
    may_switch: bool = False
    may_probe: bool = False


KINDS: Final = (
    Kind("one-time password", 0.15, "critical", 30),
    Kind("alarm", 0.10, "critical", 60, may_switch=True),
    Kind("notice", 0.15, "normal", 120, may_probe=True),
    Kind("notice, also by email", 0.20, "normal", 120, may_switch=True, may_probe=True),
    Kind("campaign", 0.40, "bulk", 3600, may_probe=True),
)
SHARES: Final = tuple(kind.share for kind in KINDS)


class Group(NamedTuple):
    """Messages that are alike: of one kind and second, tried equally often. ``ghost``: they were sent all the same
    when we heard nothing, and whatever arrives of them from now on is a duplicate; provider ``reporter`` reports that
    in second ``reported_at``. ``low``, ``high``: their places in the ramp."""

    kind: int
    born: int
    attempts: int = 0
    waits: int = 0
    ghost: bool = False
    reporter: int = 0
    reported_at: int = 0
    prefix: bool = False
    low: float = 0.0
    high: float = 1.0

    @property
    def priority(self) -> str:
        """That of its kind."""
        return KINDS[self.kind].priority

    @property
    def ends_at(self) -> int:
        """When it is of no more use."""
        return self.born + KINDS[self.kind].deadline_s


def urgency(group: Group) -> tuple[int, int]:
    """Who goes first: by priority, then by age."""
    return (("critical", "normal", "bulk").index(group.priority), group.born)


def may_retry(group: Group) -> bool:
    """Whether it has attempts left after the one that has just failed."""
    return group.attempts + 1 < _MAX_ATTEMPTS[group.priority]


def retry_delay_s(group: Group, *, t: int, after_s: int, rng: random.Random) -> int:
    """As notify/retry.py: exponential, full jitter, never past the deadline; ``after_s``: not sooner than that."""
    left = group.ends_at - t
    ceiling = min(_CAP_S, _BASE_S * 2.0 ** min(group.attempts, 30))
    delay = max(_MIN_S, rng.uniform(0, ceiling))
    if after_s:
        return after_s + round(min(delay, _AFTER_REPORT_S))
    delay = min(delay, max(left * rng.uniform(0.5, 0.9), _MIN_S))
    return max(1, round(delay))
