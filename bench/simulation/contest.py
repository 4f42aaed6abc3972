"""The contest: every contestant, in every weather, on the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.simulation.contestants import Contestant, Goutong
from bench.simulation.ledger import Ledger
from bench.simulation.rivals import Breaker, GovUkNotify, PlainRetry
from bench.simulation.score import Score
from bench.simulation.weather import LIBRARY, Weather
from bench.simulation.world import FAULT_AT, Dispatch, World

OURS: Final = "Goutong"
#: How long a run goes on after the fault: the slowest of the rivals takes an hour and more to return.
AFTER_S: Final = 7200
CONTESTANTS: Final[dict[str, Callable[[Sequence[float], Sequence[Ledger]], Contestant]]] = {
    OURS: Goutong,
    "GOV.UK rules": GovUkNotify,
    "breaker 5/60 s": Breaker,
    "plain retry": PlainRetry,
}
#: Every so many seconds a point of the plots.
POINT_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one table is about: the weights at rest, and how all contestants dispatch."""

    rest: tuple[float, float] = (70.0, 30.0)
    dispatch: Dispatch = field(default_factory=Dispatch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run: its score, and A's share of the weights over time (None: no weight anywhere)."""

    weather: str
    contestant: str
    seed: int
    score: Score
    shares: tuple[float | None, ...]


def run(*, weather: Weather, contestant: str, seed: int, setting: Setting, after_s: int = AFTER_S) -> Entry:
    """One contestant in one weather."""
    ledgers = [Ledger(), Ledger()]
    shares: list[float | None] = []
    at_rest = setting.rest[0] / sum(setting.rest)
    away_at = 0

    def watch(t: int, world: World) -> None:
        nonlocal away_at
        total = sum(world.contestant.weights)
        share = world.contestant.weights[0] / total if total else None
        if share is None or abs(share - at_rest) > 0.01:
            away_at = t
        if t % POINT_S == 0:
            shares.append(share)

    seconds = FAULT_AT + weather.lasts_s + after_s
    player = CONTESTANTS[contestant](setting.rest, ledgers)
    world = World(weather, player, ledgers, seed, seconds, dispatch=setting.dispatch, watch=watch)
    score = world.run()
    if away_at < seconds - 1:
        score.back_after_s = max(0, away_at + 1 - FAULT_AT - weather.lasts_s)
    return Entry(weather=weather.name, contestant=contestant, seed=seed, score=score, shares=tuple(shares))


def _job(job: tuple[str, str, int, Setting]) -> Entry:
    weather, contestant, seed, setting = job
    return run(weather=LIBRARY[weather], contestant=contestant, seed=seed, setting=setting)


def hold(*, setting: Setting, seeds: Sequence[int], workers: int = 2) -> list[Entry]:
    """All of it, on as many processes."""
    jobs = [(weather, contestant, seed, setting) for weather in LIBRARY for contestant in CONTESTANTS for seed in seeds]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(_job, jobs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The medians of one contestant in one weather."""

    weather: str
    contestant: str
    late: float
    duplicates: float
    overload: float
    peak: float
    wasted: float
    switched: float
    #: None where it was not back at the end of more than half of the runs.
    back_min: float | None


def rows(entries: Sequence[Entry]) -> list[Row]:
    """A row for each contestant in each weather."""
    found = []
    for weather in LIBRARY:
        for contestant in CONTESTANTS:
            scores = [one.score for one in entries if (one.weather, one.contestant) == (weather, contestant)]
            never = float("inf")
            back = median(never if one.back_after_s is None else one.back_after_s for one in scores)
            found.append(
                Row(
                    weather=weather,
                    contestant=contestant,
                    late=median(one.late for one in scores),
                    duplicates=median(one.duplicates for one in scores),
                    overload=median(one.overload for one in scores),
                    peak=median(one.peak for one in scores),
                    wasted=median(one.wasted for one in scores),
                    switched=median(one.switched for one in scores),
                    back_min=None if back == never else back / 60,
                )
            )
    return found
