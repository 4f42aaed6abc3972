"""The world of the simulation: messages arrive, are sent, fail, wait, and arrive at people, or too late."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from bench.simulation.chance import binomial, poisson, split
from bench.simulation.contestants import Contestant
from bench.simulation.ledger import Ledger
from bench.simulation.messages import KINDS, SHARES, Group, may_retry, retry_delay_s, urgency
from bench.simulation.providers import TIMEOUT_S, Answer, Providers
from bench.simulation.score import Score
from bench.simulation.weather import FINE, Condition, Weather
from channels.degradation.admission import Admission, look_again_in

FAULT_AT: Final = 300
_CALM_STRIDE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How messages are sent and retried, the same for all contestants of one table. ``fall_over``: the next provider
    is asked within the same attempt, as the product does. ``report_within_s``: what got no answer is not sent again
    before its report should have come, so many seconds after it was handed over, and held where there is no time for
    that; as the product does with ``outcome_unknown: report`` and providers that report by our ids."""

    fall_over: bool = True
    report_within_s: int = 0


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
    _due: dict[int, dict[Group, int]] = field(init=False)
    _answers: dict[int, list[Answer]] = field(init=False)
    _providers: Providers = field(init=False)
    #: Bulk that waits for its turn in the table, the oldest first, and how much of it may go now.
    _held: deque[tuple[Group, int]] = field(init=False, default_factory=deque)
    _turns: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._due = defaultdict(lambda: defaultdict(int))
        self._answers = defaultdict(list)
        capacities = (2.0 * self.per_second, self.weather.b_capacity * self.per_second)
        self._providers = Providers(ledgers=self.ledgers, capacities=capacities, rng=self.rng)

    def run(self) -> Score:
        """All of it; messages whose time is not up at the end are not counted."""
        arrivals = random.Random(self.seed ^ 0x5EED)  # the same ones for every contestant
        while self.t < self.seconds:
            stride = self._stride()
            self._providers.begin(self._conditions(), t=self.t, stride=stride)
            for answer in self._answers.pop(self.t, ()):
                self._hear(answer)
            self.contestant.evaluate(self.t)
            self._arrive(arrivals, stride)
            pace = self.contestant.bulk_pace(self.t)
            for group, n in sorted(self._due.pop(self.t, {}).items(), key=lambda item: urgency(item[0])):
                if group.priority == "bulk" and (self._held or pace < inf):
                    self._held.append((group, n))
                else:
                    self._look(group, n)
            self._let_in(pace * stride)
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
            and not self._held
            and not self._answers
            and self.contestant.calm
        )
        return _CALM_STRIDE if calm else 1

    def _in_fault(self, t: int) -> bool:
        return FAULT_AT <= t < FAULT_AT + self.weather.lasts_s

    def _conditions(self) -> tuple[Condition, Condition]:
        if not self._in_fault(self.t):
            return FINE, FINE
        since = self.t - FAULT_AT
        return self.weather.a(since), self.weather.b(since)

    def _end(self, stride: int) -> None:
        for load in self._providers.end():
            self.score.offer(offered=load.offered, capacity=load.capacity, ill=load.ill)
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
        for number, n in enumerate(split(rng, arrived, SHARES)):
            counted = self.t + KINDS[number].deadline_s < self.seconds
            self.score.accepted += n if counted else 0
            prefixed = binomial(rng, n, self.weather.prefix) if self.weather.prefix else 0
            if prefixed:
                due[Group(number, self.t, prefix=True)] += prefixed
            if n > prefixed:
                due[Group(number, self.t)] += n - prefixed

    def _let_in(self, more: float) -> None:
        """As much of the bulk that waits as its turn has come, the oldest first; while it is held, at most a probe."""
        while self._held and self.t >= self._held[0][0].ends_at:
            self._look(*self._held.popleft())
        self._turns = self._turns % 1 + more
        if not more and self._held:
            group, n = self._held.popleft()
            n = self._probe(group, n)
            if n:
                self._held.appendleft((group, n))
        while self._held and self._turns >= 1:
            group, n = self._held.popleft()
            part = n if self._turns == inf else min(n, int(self._turns))
            self._turns -= part
            if part < n:
                self._held.appendleft((group, n - part))
            self._look(group, part)
        self._turns = 0.0 if self._turns == inf else self._turns

    # --- one look at some messages -----------------------------------------------------------------------------------

    def _look(self, group: Group, n: int) -> None:
        if self._providers.has_reported(group):
            return  # as the product does: what waits and has arrived is not sent again
        kind = KINDS[group.kind]
        if self.t >= group.ends_at:
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
                0.0 if tried >> provider & 1 or not self._providers.room(provider, group) else weight
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
                chunk = min(part - sent, 10, self._providers.room(provider, group))
                if not chunk:
                    break
                self._send(provider, group, chunk, tried=tried, probe=False)
                sent += chunk
            left += part - sent
        return left

    def _without_provider(self, group: Group, n: int, tried: int) -> None:
        if tried:
            self._retry(group, n)
        else:
            self._again(group._replace(waits=group.waits + 1), n, self.t + 1)

    # --- at a provider -----------------------------------------------------------------------------------------------

    def _send(self, provider: int, group: Group, n: int, *, tried: int, probe: bool) -> None:
        for answer, after_s, arrived in self._providers.send(provider, group, n, t=self.t, tried=tried, probe=probe):
            if after_s is None:
                self._hear(answer, in_flight=False)
                continue
            self.ledgers[provider].in_flight += answer.n
            self._answers[self.t + after_s].append(answer)
            self._deliver(group, arrived, at=self.t + after_s)

    def _hear(self, answer: Answer, *, in_flight: bool = True) -> None:
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
            swallowed = self._providers.swallowed(provider, n)
            ledger.sent(accepted=n, swallowed=swallowed)
            self._deliver(answer.group, n - swallowed, at=self.t)
            self._lose(answer.group, swallowed)
        elif answer.unknown and self.dispatch.report_within_s:
            self._await_report(answer.group, n)
        elif self.dispatch.fall_over:
            self._attempt(answer.group, n, tried=answer.tried)
        else:
            self._retry(answer.group, n)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _counted(self, group: Group) -> bool:
        return group.ends_at < self.seconds

    def _deliver(self, group: Group, n: int, *, at: int) -> None:
        if n <= 0 or not self._counted(group):
            return
        if group.ghost:
            self.score.duplicates += n
        elif at <= group.ends_at:
            self.score.on_time += n
        else:
            self.score.late += n

    def _lose(self, group: Group, n: int) -> None:
        if n > 0 and not group.ghost and self._counted(group):
            self.score.late += n

    def _await_report(self, group: Group, n: int) -> None:
        wait_s = max(0, self.dispatch.report_within_s - TIMEOUT_S)
        if self.t + wait_s < group.ends_at:
            self._retry(group, n, after_s=wait_s)
        else:
            self._lose(group, n)

    def _retry(self, group: Group, n: int, *, after_s: int = 0) -> None:
        if not may_retry(group):
            self._lose(group, n)
            return
        for _ in range(n):
            delay_s = retry_delay_s(group, t=self.t, after_s=after_s, rng=self.rng)
            self._again(group._replace(attempts=group.attempts + 1), 1, self.t + delay_s)

    def _again(self, group: Group, n: int, at: int) -> None:
        if n > 0:
            # When they wait has no bearing on what becomes of them: without it more of them are alike.
            self._due[at][group._replace(waits=0)] += n
