"""The world of the simulation: messages arrive, are sent, fail, wait, and arrive at people, or too late."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.simulation.chance import binomial, poisson, split
from bench.simulation.contestants import Contestant
from bench.simulation.ledger import Ledger
from bench.simulation.score import Score
from bench.simulation.weather import FINE, Condition, Weather
from channels.degradation.admission import Admission, look_again_in

FAULT_AT: Final = 300
TIMEOUT_S: Final = 5
PLACES: Final = 64
_CEILINGS: Final = {"critical": 1.0, "normal": 0.85, "bulk": 0.6}
_CALM_STRIDE: Final = 10
_MAX_ATTEMPTS: Final = {"critical": 10, "normal": 8, "bulk": 6}
_BASE_S, _CAP_S, _MIN_S = 2.0, 600.0, 0.2


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
_SHARES: Final = tuple(kind.share for kind in KINDS)


class Group(NamedTuple):
    """Messages that are alike: of one kind and second, tried equally often. ``ghost``: they were sent all the same
    when we heard nothing, and whatever arrives of them from now on is a duplicate. ``low``, ``high``: their places in
    the ramp."""

    kind: int
    born: int
    attempts: int = 0
    waits: int = 0
    ghost: bool = False
    prefix: bool = False
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How messages are sent and retried, the same for all contestants of one table. ``fall_over``: the next provider
    is asked within the same attempt, as the product does."""

    fall_over: bool = True


@dataclass(slots=True)
class _Answer:
    provider: int
    group: Group
    n: int
    ok: bool
    latency_s: float
    tried: int
    probe: bool


@dataclass(slots=True)
class World:
    """One run of one contestant in one weather."""

    weather: Weather
    contestant: Contestant
    ledgers: Sequence[Ledger]
    seed: int
    seconds: int
    per_second: float = 20.0
    dispatch: Dispatch = field(default_factory=Dispatch)
    score: Score = field(default_factory=Score)
    watch: Callable[[int, World], None] | None = None
    rng: random.Random = field(init=False)
    t: int = field(init=False, default=0)
    _seconds_at_once: int = field(init=False, default=1)
    _due: dict[int, dict[Group, int]] = field(init=False)
    _answers: dict[int, list[_Answer]] = field(init=False)
    _queues: list[float] = field(init=False)
    _offered: list[int] = field(init=False)
    _conditions: list[Condition] = field(init=False)
    _capacities: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._due = defaultdict(lambda: defaultdict(int))
        self._answers = defaultdict(list)
        self._queues = [0.0] * len(self.ledgers)
        self._offered = [0] * len(self.ledgers)
        self._conditions = [FINE] * len(self.ledgers)
        self._capacities = [2.0 * self.per_second, self.weather.b_capacity * self.per_second]

    def run(self) -> Score:
        """All of it; messages whose time is not up at the end are not counted."""
        arrivals = random.Random(self.seed ^ 0x5EED)  # the same ones for every contestant
        while self.t < self.seconds:
            stride = self._seconds_at_once = self._stride()
            self._begin(stride)
            for answer in self._answers.pop(self.t, ()):
                self._hear(answer)
            self.contestant.evaluate(self.t)
            self._arrive(arrivals, stride)
            for group, n in sorted(self._due.pop(self.t, {}).items(), key=_urgency):
                self._look(group, n)
            self._end(stride)
        return self.score

    def _stride(self) -> int:
        """How many seconds are taken at once: ten while nothing is wrong, so that calm days pass quickly."""
        calm = (
            self.t % _CALM_STRIDE == 0
            and not self._in_fault(self.t)
            and not self._in_fault(self.t + _CALM_STRIDE)
            and self.t + _CALM_STRIDE <= self.seconds
            and not self._due
            and not self._answers
            and self.contestant.calm
        )
        return _CALM_STRIDE if calm else 1

    def _in_fault(self, t: int) -> bool:
        return FAULT_AT <= t < FAULT_AT + self.weather.lasts_s

    def _begin(self, stride: int) -> None:
        self._conditions = [FINE, FINE]
        if self._in_fault(self.t):
            since = self.t - FAULT_AT
            self._conditions = [self.weather.a(since), self.weather.b(since)]
        for ledger in self.ledgers:
            ledger.tick(stride)
        self._offered = [0] * len(self.ledgers)

    def _end(self, stride: int) -> None:
        for provider, offered in enumerate(self._offered):
            capacity = self._capacities[provider]
            self._queues[provider] = max(0.0, self._queues[provider] - capacity)
            ill = self._conditions[provider] is not FINE
            self.score.offer(offered=offered, capacity=capacity * stride, ill=ill)
        before, self.t = self.t, self.t + stride
        if stride > 1:  # what came up in between is looked at now
            for pending in [at for at in self._due if at < self.t]:
                for group, n in self._due.pop(pending).items():
                    self._due[self.t][group] += n
            for pending in [at for at in self._answers if at < self.t]:
                self._answers[self.t] += self._answers.pop(pending)
        if self.watch is not None:
            for t in range(before, self.t):
                self.watch(t, self)

    def _arrive(self, rng: random.Random, stride: int) -> None:
        due = self._due[self.t]
        arrived = sum(poisson(rng, self.per_second) for _ in range(stride))
        for number, n in enumerate(split(rng, arrived, _SHARES)):
            counted = self.t + KINDS[number].deadline_s < self.seconds
            self.score.accepted += n if counted else 0
            prefixed = binomial(rng, n, self.weather.prefix) if self.weather.prefix else 0
            if prefixed:
                due[Group(number, self.t, prefix=True)] += prefixed
            if n > prefixed:
                due[Group(number, self.t)] += n - prefixed

    # --- one look at some messages -----------------------------------------------------------------------------------

    def _look(self, group: Group, n: int) -> None:
        kind = KINDS[group.kind]
        if self.t >= group.born + kind.deadline_s:
            self._lose(group, n)
            return
        if kind.may_probe:
            n = self._probe(group, n)
        if not self.contestant.restricts:
            self._attempt(group, n, tried=0)
            return
        for part, count in self._by_place(group, n):
            goes = self.contestant.admit(
                priority=kind.priority,
                may_switch=kind.may_switch,
                place=(part.low + part.high) / 2,
                left_s=group.born + kind.deadline_s - self.t,
            )
            if goes is Admission.SEND:
                self._attempt(part, count, tried=0)
            elif goes is Admission.SWITCH:
                self.score.switched += 0 if part.ghost else count
                self._deliver(part, count, at=self.t + 1)
            else:
                self._hold(part, count)

    def _hold(self, group: Group, n: int) -> None:
        kind = KINDS[group.kind]
        waited_s = self.t - group.born
        left_s = kind.deadline_s - waited_s
        for _ in range(n):
            wait_s = look_again_in(priority=kind.priority, waited_s=waited_s, left_s=left_s, rng=self.rng)
            self._again(group, 1, self.t + max(1, round(wait_s)))

    def _by_place(self, group: Group, n: int) -> list[tuple[Group, int]]:
        """Parts it where the ramp stands now: those before it and those behind."""
        for step in self.contestant.steps:
            if group.low < step < group.high:
                before = binomial(self.rng, n, (step - group.low) / (group.high - group.low))
                parts = [(group._replace(high=step), before), (group._replace(low=step), n - before)]
                return [(part, count) for part, count in parts if count]
        return [(group, n)] if n else []

    def _probe(self, group: Group, n: int) -> int:
        for provider in range(len(self.ledgers)):
            if n and self.contestant.probe(provider, self.t):
                self._send(provider, group, 1, tried=0, probe=True)
                n -= 1
        return n

    def _attempt(self, group: Group, n: int, *, tried: int) -> None:
        """Sends by weight; ``tried`` has a bit for each provider that was asked within this attempt."""
        while n > 0:
            weights = [
                0.0 if tried >> provider & 1 or not self._room(provider, group) else weight
                for provider, weight in enumerate(self.contestant.weights)
            ]
            if not any(weights):
                self._without_provider(group, n, tried)
                return
            version = self.contestant.weights
            n = self._send_parts(group, split(self.rng, n, weights), tried, version)

    def _send_parts(self, group: Group, parts: list[int], tried: int, version: list[float]) -> int:
        """Sends each part as far as there is room and until the weights change under it; returns what is left."""
        left = 0
        for provider, part in enumerate(parts):
            sent = 0
            while sent < part and self.contestant.weights is version:
                chunk = min(part - sent, 10, self._room(provider, group))
                if not chunk:
                    break
                self._send(provider, group, chunk, tried=tried, probe=False)
                sent += chunk
            left += part - sent
        return left

    def _room(self, provider: int, group: Group) -> int:
        ceiling = _CEILINGS[KINDS[group.kind].priority]
        return max(0, int(PLACES * ceiling) - self.ledgers[provider].in_flight)

    def _without_provider(self, group: Group, n: int, tried: int) -> None:
        if tried:
            self._retry(group, n)
        else:
            self._again(group._replace(waits=group.waits + 1), n, self.t + 1)

    # --- at a provider -----------------------------------------------------------------------------------------------

    def _send(self, provider: int, group: Group, n: int, *, tried: int, probe: bool) -> None:
        condition, ledger = self._conditions[provider], self.ledgers[provider]
        self._offered[provider] += n
        tried |= 1 << provider
        refuses = condition.prefix_refuses if group.prefix else condition.refuses
        hangs = condition.prefix_hangs if group.prefix else condition.hangs
        refused, hung, taken = split(self.rng, n, (refuses, hangs, max(0.0, 1.0 - refuses - hangs)))
        latency_s = condition.latency_s + self._queues[provider] / self._capacities[provider]
        self._queues[provider] += taken / self._seconds_at_once
        too_slow = latency_s >= TIMEOUT_S
        if not ledger.in_flight:
            ledger.heard_at = self.t
        if hung or (taken and too_slow):
            sent = binomial(self.rng, hung, condition.sent_all_the_same) + (taken if too_slow else 0)
            self._hang(provider, group, hung + (taken if too_slow else 0), sent, tried, probe)
        if taken and not too_slow:
            self._take(provider, group, taken, latency_s, tried, probe)
        if refused:
            self._hear(_Answer(provider, group, refused, False, 0.1, tried, probe), in_flight=False)

    def _hang(self, provider: int, group: Group, n: int, sent: int, tried: int, probe: bool) -> None:
        """No answer within the time-out. Some of them reach their person, and we do not know."""
        self.ledgers[provider].in_flight += n
        answers = self._answers[self.t + TIMEOUT_S]
        if sent:
            self._deliver(group, sent, at=self.t + TIMEOUT_S)
            ghost = group._replace(ghost=True)
            answers.append(_Answer(provider, ghost, sent, False, TIMEOUT_S, tried, probe))
        if n > sent:
            answers.append(_Answer(provider, group, n - sent, False, TIMEOUT_S, tried, probe))

    def _take(self, provider: int, group: Group, n: int, latency_s: float, tried: int, probe: bool) -> None:
        answer = _Answer(provider, group, n, True, latency_s, tried, probe)
        if latency_s < 1.0:
            self._hear(answer, in_flight=False)
        else:
            self.ledgers[provider].in_flight += n
            self._answers[self.t + int(latency_s)].append(answer)

    def _hear(self, answer: _Answer, *, in_flight: bool = True) -> None:
        provider, n, ledger = answer.provider, answer.n, self.ledgers[answer.provider]
        if in_flight:
            ledger.in_flight -= n
        ok, faults = (n, 0) if answer.ok else (0, n)
        ledger.note(self.t, ok=ok, faults=faults, latency_s=answer.latency_s)
        if answer.probe:
            self.contestant.note_probe(provider, self.t, succeeded=answer.ok)
        else:
            self.contestant.note(provider, self.t, ok=ok, faults=faults)
        if answer.ok:
            swallowed = binomial(self.rng, n, self._conditions[provider].swallows)
            ledger.sent(accepted=n, swallowed=swallowed)
            self._deliver(answer.group, n - swallowed, at=self.t)
            self._lose(answer.group, swallowed)
        elif self.dispatch.fall_over:
            self._attempt(answer.group, n, tried=answer.tried)
        else:
            self._retry(answer.group, n)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _counted(self, group: Group) -> bool:
        return group.born + KINDS[group.kind].deadline_s < self.seconds

    def _deliver(self, group: Group, n: int, *, at: int) -> None:
        if n <= 0 or not self._counted(group):
            return
        if group.ghost:
            self.score.duplicates += n
        elif at <= group.born + KINDS[group.kind].deadline_s:
            self.score.on_time += n
        else:
            self.score.late += n

    def _lose(self, group: Group, n: int) -> None:
        if n > 0 and not group.ghost and self._counted(group):
            self.score.late += n

    def _retry(self, group: Group, n: int) -> None:
        """As notify/retry.py: exponential, full jitter, never past the deadline, only so often."""
        kind = KINDS[group.kind]
        attempts = group.attempts + 1
        if attempts >= _MAX_ATTEMPTS[kind.priority]:
            self._lose(group, n)
            return
        left = group.born + kind.deadline_s - self.t
        ceiling = min(_CAP_S, _BASE_S * 2.0 ** min(group.attempts, 30))
        for _ in range(n):
            delay = max(_MIN_S, self.rng.uniform(0, ceiling))
            delay = min(delay, max(left * self.rng.uniform(0.5, 0.9), _MIN_S))
            self._again(group._replace(attempts=attempts), 1, self.t + max(1, round(delay)))

    def _again(self, group: Group, n: int, at: int) -> None:
        if n > 0:
            # When they wait has no bearing on what becomes of them: without it more of them are alike.
            self._due[at][group._replace(waits=0)] += n


def _urgency(item: tuple[Group, int]) -> tuple[int, int]:
    group = item[0]
    return (("critical", "normal", "bulk").index(KINDS[group.kind].priority), group.born)
