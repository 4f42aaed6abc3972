"""A lane of one worker process, simulated: what no formula says of it.

Drains claim in parts and record what comes back before they look again; places are kept free for what is urgent; each
application has its share of a claim. The rules are those of ``notify/dispatch.py``, ``channels/rooms.py`` and
``channels/bulkhead.py``, the times are measured ones.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from channels.bulkhead import CEILINGS
from channels.names import PRIORITIES

#: As in notify/dispatch.py, notify/doorbell.py, channels/lines.py and LANES.
_COLLECT_S: Final = 0.25
_AHEAD_S: Final = 0.25
_GATHER_S: Final = 0.01
_PACE_S: Final = 0.05
_SWEEP_S: Final = 1.0
_BATCH: Final = 500
_DRAINS: Final = 2

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a worker takes, in seconds: from the ring until a drain begins to claim; for a claim and for a record,
    however few messages they carry; of the interpreter's time for a message, from the claim to the record; for a
    conversation besides the provider's own time."""

    bell_s: float
    claim_s: float
    record_s: float
    message_s: float
    conversation_s: float = 0.0


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A message becomes due."""

    at: float
    priority: str = "critical"
    application: int = 0


@dataclass(slots=True)
class Passage:
    """A message's way: when it came, when its provider had it, and when the provider had answered."""

    arrival: Arrival
    started_at: float = 0.0
    answered_at: float = 0.0

    @property
    def wait_s(self) -> float:
        """From its arrival to the provider's call."""
        return self.started_at - self.arrival.at


class _Places:
    """The provider's places: the most urgent first, each priority up to its ceiling."""

    def __init__(self, clock: simpy.Environment, *, size: int, service_s: Callable[[], float]) -> None:
        self._clock = clock
        self._size = size
        self._service_s = service_s
        self._limits = {priority: max(1, int(size * CEILINGS[priority])) for priority in PRIORITIES}
        self._queued: dict[str, deque[tuple[Passage, _Drain]]] = {priority: deque() for priority in PRIORITIES}
        self._running = dict.fromkeys(PRIORITIES, 0)
        self._counted_at, self._counted, self._per_second = 0.0, 0, 0.0

    def room(self, priority: str) -> int:
        """How many more of ``priority`` are worth claiming; none while it is less than half of what could be."""
        ahead = int(self._per_second * _AHEAD_S)
        room = max(0, self._free(priority)) + ahead - len(self._queued[priority])
        return room if room * 2 >= min(self._limits[priority] + ahead, _BATCH) else 0

    def submit(self, passage: Passage, drain: _Drain) -> None:
        """The message goes to its provider when a place is free."""
        self._queued[passage.arrival.priority].append((passage, drain))
        self._start()

    def _free(self, priority: str) -> int:
        return min(self._limits[priority] - self._running[priority], self._size - sum(self._running.values()))

    def _start(self) -> None:
        for priority in PRIORITIES:
            while self._queued[priority] and self._free(priority) > 0:
                self._running[priority] += 1
                self._clock.process(self._converse(priority, *self._queued[priority].popleft()))

    def _converse(self, priority: str, passage: Passage, drain: _Drain) -> Steps:
        passage.started_at = self._clock.now
        yield self._clock.timeout(self._service_s())
        passage.answered_at = self._clock.now
        self._running[priority] -= 1
        self._count()
        self._start()
        drain.answers.put(passage)

    def _count(self) -> None:
        self._counted += 1
        elapsed = self._clock.now - self._counted_at
        if elapsed >= _PACE_S:
            self._per_second = self._counted / elapsed
            self._counted_at, self._counted = self._clock.now, 0


@dataclass(slots=True)
class _Lane:
    """What is due in one lane, its doorbell and its places for drains."""

    waiting: dict[int, deque[Passage]] = field(default_factory=lambda: defaultdict(deque))
    drains_left: int = _DRAINS
    rung: bool = False
    bell_is_out: bool = False
    bell_at: float = float("-inf")

    def take(self, wanted: int, shares: dict[int, int]) -> list[Passage]:
        """A claim: of every application that waits its share, the oldest first; what one leaves the others have."""
        taken: list[Passage] = []
        while len(taken) < wanted and (due := [one for one, line in self.waiting.items() if line]):
            left = wanted - len(taken)
            weights = {one: shares.get(one, 1) for one in due}
            for one in due:
                part = max(1, left * weights[one] // sum(weights.values()))
                line = self.waiting[one]
                taken += [line.popleft() for _ in range(min(part, len(line), wanted - len(taken)))]
        return taken


class _Drain:
    """One drain's run over its lane."""

    def __init__(self, worker: Worker, lane: _Lane, priority: str) -> None:
        self._worker, self._lane, self._priority = worker, lane, priority
        self.answers = simpy.Store(worker.clock)
        self._pending = 0
        self._was_short, self._claimed_at = False, 0.0

    def run(self) -> Steps:
        """Until nothing is due, or there is no room."""
        while True:
            was_idle, before = not self._pending, self._pending
            wanted = self._wanted()
            if wanted:
                yield from self._claim(wanted)
            if was_idle and self._pending == before:
                return
            yield from self._turn()

    def _wanted(self) -> int:
        now = self._worker.clock.now
        if self._was_short and self._pending:
            if self._lane.rung:
                self._lane.rung = self._lane.bell_is_out = False
            elif now - self._claimed_at < _COLLECT_S:
                return 0
        return min(self._worker.places.room(self._priority), _BATCH)

    def _claim(self, wanted: int) -> Steps:
        pace, clock = self._worker.pace, self._worker.clock
        self._claimed_at = clock.now
        claimed = self._lane.take(wanted, self._worker.shares)
        self._was_short = len(claimed) * 2 <= wanted
        yield clock.timeout(pace.claim_s)
        yield from self._worker.think(len(claimed) * pace.message_s / 2)
        self._pending += len(claimed)
        for passage in claimed:
            self._worker.places.submit(passage, self)

    def _turn(self) -> Steps:
        pace, clock = self._worker.pace, self._worker.clock
        first = self.answers.get()
        yield first | clock.timeout(_COLLECT_S)
        if not first.triggered:
            first.cancel()
            return
        count = 1 + len(self.answers.items)
        self.answers.items.clear()
        yield from self._worker.think(count * pace.message_s / 2)
        yield clock.timeout(pace.record_s)
        self._pending -= count


class Worker:
    """One worker process with one provider, and the lanes of one channel."""

    def __init__(
        self, *, pace: Pace, places: int, service_s: Callable[[], float], shares: dict[int, int] | None = None
    ) -> None:
        self.clock = simpy.Environment()
        self.pace = pace
        self.shares = shares or {}
        self.places = _Places(self.clock, size=places, service_s=lambda: service_s() + pace.conversation_s)
        self._interpreter = simpy.Resource(self.clock, capacity=1)
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)

    def run(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """Every arrival's way, in the order in which they came, once all have been answered."""
        passages = [Passage(arrival) for arrival in sorted(arrivals)]
        self.clock.process(self._arrive(passages))
        self.clock.process(self._sweep(passages))
        self.clock.run()
        return passages

    def think(self, seconds: float) -> Steps:
        """Uses the interpreter, which one thread has at a time."""
        with self._interpreter.request() as turn:
            yield turn
            yield self.clock.timeout(seconds)

    def _arrive(self, passages: Sequence[Passage]) -> Steps:
        for passage in passages:
            yield self.clock.timeout(passage.arrival.at - self.clock.now)
            self._lanes[passage.arrival.priority].waiting[passage.arrival.application].append(passage)
            self._bell(passage.arrival.priority)

    def _sweep(self, passages: Sequence[Passage]) -> Steps:
        while not all(passage.answered_at for passage in reversed(passages)):
            yield self.clock.timeout(_SWEEP_S)
            for priority, lane in list(self._lanes.items()):
                if any(lane.waiting.values()):
                    self._bell(priority)

    def _bell(self, priority: str) -> None:
        lane = self._lanes[priority]
        if not lane.bell_is_out:
            lane.bell_is_out = True
            self.clock.process(self._ring(lane, priority))

    def _ring(self, lane: _Lane, priority: str) -> Steps:
        yield self.clock.timeout(max(0.0, lane.bell_at + _GATHER_S - self.clock.now))
        lane.bell_at = self.clock.now
        yield self.clock.timeout(self.pace.bell_s)
        lane.rung = True
        while lane.rung and lane.drains_left:
            lane.drains_left -= 1
            lane.rung = lane.bell_is_out = False
            yield from _Drain(self, lane, priority).run()
            lane.drains_left += 1


def by_chance(*, per_second: float, seconds: float, rng: random.Random, **arrival: Any) -> Iterator[Arrival]:
    """Arrivals that know nothing of each other, so many a second."""
    at = rng.expovariate(per_second)
    while at < seconds:
        yield Arrival(at, **arrival)
        at += rng.expovariate(per_second)
