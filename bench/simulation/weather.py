"""What providers do to us: a library of behaviours, each a pure function of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Condition:
    """How a provider is in one second. A message meets a refusal at once with probability ``refuses``, no answer with
    ``hangs`` (of those, ``sent_all_the_same`` went out nevertheless), else a yes, after ``latency_s`` and what the
    queue at its capacity adds. ``prefix_refuses`` is what the numbers of one prefix meet. Of what was accepted
    ``swallows`` never arrives, and neither do receipts for it. Who does not report makes up for it once it does."""

    refuses: float = 0.005
    hangs: float = 0.0
    sent_all_the_same: float = 0.5
    latency_s: float = 0.3
    prefix_refuses: float = 0.005
    prefix_hangs: float = 0.0
    swallows: float = 0.0
    reports: bool = True


FINE = Condition()
#: An outage is never quite clean: most connections are refused, some hang. Of what it had in its hands when it fell,
#: half went out; later nothing does. Nor does one hear of that before it is up again.
FALLING = Condition(refuses=0.8, hangs=0.2, prefix_refuses=0.8, prefix_hangs=0.2, reports=False)
OUT = replace(FALLING, sent_all_the_same=0.0)
FALLS_FOR_S = 5
Course = Callable[[int], Condition]


@dataclass(frozen=True, slots=True)
class Weather:
    """A behaviour: what A and B do from the fault's begin (second 0) until its end. ``b_capacity`` is B's, as a share
    of the channel's whole traffic."""

    name: str
    lasts_s: int
    a: Course
    b: Course
    b_capacity: float = 2.0
    prefix: float = 0.0


def _fine(_second: int) -> Condition:
    return FINE


def _out(second: int) -> Condition:
    return FALLING if second < FALLS_FOR_S else OUT


def _brown(_second: int) -> Condition:
    return Condition(refuses=0.2, hangs=0.1, prefix_refuses=0.2, prefix_hangs=0.1)


def _half_dead(_second: int) -> Condition:
    return Condition(refuses=0.45, hangs=0.15, prefix_refuses=0.45, prefix_hangs=0.15)


def _slow_death(second: int) -> Condition:
    done = min(1.0, second / (8 * MINUTE))
    refuses = 0.005 + 0.9 * done**2
    return Condition(refuses=refuses, prefix_refuses=refuses, latency_s=0.3 + 8.0 * done)


def _flapping(second: int) -> Condition:
    return _out(second % 20) if second // 20 % 2 == 0 else FINE


def _regional(_second: int) -> Condition:
    return Condition(prefix_refuses=0.7, prefix_hangs=0.3)


def _swallowing(_second: int) -> Condition:
    return Condition(swallows=1.0)


LIBRARY: dict[str, Weather] = {
    weather.name: weather
    for weather in (
        Weather("clean outage", 10 * MINUTE, _out, _fine),
        Weather("brown-out 30%", 10 * MINUTE, _brown, _fine),
        Weather("slow death", 12 * MINUTE, _slow_death, _fine),
        Weather("flapping each 20 s", 10 * MINUTE, _flapping, _fine),
        Weather("latency cliff", 10 * MINUTE, _out, _fine, b_capacity=0.5),
        Weather("regional failure", 10 * MINUTE, _regional, _fine, prefix=0.15),
        Weather("receipts stop", 15 * MINUTE, _swallowing, _fine),
        Weather("both half dead", 10 * MINUTE, _half_dead, _half_dead),
        Weather("both dead", 10 * MINUTE, _out, _out),
    )
}
