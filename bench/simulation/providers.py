"""The providers of the simulation: what they make of what is sent to them, and when one hears of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from bench.simulation.chance import binomial, split
from bench.simulation.ledger import Ledger
from bench.simulation.messages import Group
from bench.simulation.weather import FINE, Condition

TIMEOUT_S: Final = 5
PLACES: Final = 64
#: How long after it has sent a message a provider reports that.
REPORT_S: Final = 10
_CEILINGS: Final = {"critical": 1.0, "normal": 0.85, "bulk": 0.6}


@dataclass(slots=True)
class Answer:
    """What is heard of some messages. ``tried`` has a bit for each provider that was asked within this attempt."""

    provider: int
    group: Group
    n: int
    ok: bool
    latency_s: float
    tried: int
    probe: bool

    @property
    def unknown(self) -> bool:
        """Whether nothing was heard: it may have been sent."""
        return not self.ok and self.latency_s >= TIMEOUT_S


class Reply(NamedTuple):
    """An answer, and in how many seconds it comes; None: within this one. ``arrived``: so many of its messages reach
    their people then, though we hear of no success."""

    answer: Answer
    after_s: int | None = None
    arrived: int = 0


class Load(NamedTuple):
    """What one provider was asked for in a step."""

    offered: int
    capacity: float
    ill: bool


@dataclass(slots=True)
class Providers:
    """All of them, with their queues. Who calls keeps the time."""

    ledgers: Sequence[Ledger]
    capacities: Sequence[float]
    rng: random.Random
    conditions: Sequence[Condition] = ()
    _seconds_at_once: int = 1
    _queues: list[float] = field(init=False)
    _offered: list[int] = field(init=False)
    _reported_to: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._reported_to = [0] * len(self.ledgers)
        self._queues = [0.0] * len(self.ledgers)
        self._offered = [0] * len(self.ledgers)

    def begin(self, conditions: Sequence[Condition], *, t: int, stride: int) -> None:
        """A step of ``stride`` seconds begins with second ``t``."""
        for provider, condition in enumerate(conditions):
            if condition.reports:
                self._reported_to[provider] = t
        self.conditions, self._seconds_at_once = conditions, stride
        self._offered = [0] * len(self.ledgers)
        for ledger in self.ledgers:
            ledger.tick(stride)

    def end(self) -> Iterator[Load]:
        """It ends; what each was asked for."""
        for provider, offered in enumerate(self._offered):
            capacity = self.capacities[provider]
            self._queues[provider] = max(0.0, self._queues[provider] - capacity)
            ill = self.conditions[provider] is not FINE
            yield Load(offered, capacity * self._seconds_at_once, ill)

    def room(self, provider: int, group: Group) -> int:
        """How many more like ``group`` may be under way."""
        return max(0, int(PLACES * _CEILINGS[group.priority]) - self.ledgers[provider].in_flight)

    def has_reported(self, group: Group) -> bool:
        """Whether one has heard by now that these were sent all the same."""
        return group.ghost and group.reported_at <= self._reported_to[group.reporter]

    def swallowed(self, provider: int, n: int) -> int:
        """How many of ``n`` that it says it sent will never arrive."""
        return binomial(self.rng, n, self.conditions[provider].swallows)

    def send(self, provider: int, group: Group, n: int, *, t: int, tried: int, probe: bool) -> list[Reply]:
        """What comes of ``n`` messages that it is handed now."""
        condition, ledger = self.conditions[provider], self.ledgers[provider]
        self._offered[provider] += n
        tried |= 1 << provider
        refuses = condition.prefix_refuses if group.prefix else condition.refuses
        hangs = condition.prefix_hangs if group.prefix else condition.hangs
        refused, hung, taken = split(self.rng, n, (refuses, hangs, max(0.0, 1.0 - refuses - hangs)))
        latency_s = condition.latency_s + self._queues[provider] / self.capacities[provider]
        self._queues[provider] += taken / self._seconds_at_once
        late = taken if latency_s >= TIMEOUT_S else 0
        if not ledger.in_flight:
            ledger.heard_at = t
        replies: list[Reply] = []
        if hung or late:
            sent = binomial(self.rng, hung, condition.sent_all_the_same) + late
            answer = Answer(provider, group, hung + late, False, TIMEOUT_S, tried, probe)
            replies += _hanging(answer, sent, reported_at=t + REPORT_S)
        if taken and not late:
            after_s = None if latency_s < 1.0 else int(latency_s)
            replies.append(Reply(Answer(provider, group, taken, True, latency_s, tried, probe), after_s))
        if refused:
            replies.append(Reply(Answer(provider, group, refused, False, 0.1, tried, probe)))
        return replies


def _hanging(answer: Answer, sent: int, *, reported_at: int) -> list[Reply]:
    """No answer within the time-out. ``sent`` of them reach their person, and we do not know before it is reported."""
    replies = []
    if sent:
        group = answer.group
        if not group.ghost:
            group = group._replace(ghost=True, reporter=answer.provider, reported_at=reported_at)
        ghost = replace(answer, group=group, n=sent)
        replies.append(Reply(ghost, TIMEOUT_S, arrived=sent))
    if answer.n > sent:
        answer.n -= sent
        replies.append(Reply(answer, TIMEOUT_S))
    return replies
