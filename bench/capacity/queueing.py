"""Waiting for a free place, by Erlang's formula. Pure.

So many places, each of which serves for a while; whoever finds none free waits in one line for the first. The formula
is exact for arrivals and services by pure chance (M/M/c). Services that vary less make shorter waits: the correction is
that of Allen and Cunneen, the mean of both squared coefficients of variation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Arrivals a second, seconds a service takes, how much both vary (squared coefficients of variation: 1 is pure
    chance, 0 none), and how many places serve."""

    per_second: float
    service_s: float
    places: int
    arrivals_vary: float = 1.0
    service_varies: float = 1.0

    @property
    def offered(self) -> float:
        """How many places would always be busy if nobody ever waited (erlangs)."""
        return self.per_second * self.service_s

    @property
    def utilisation(self) -> float:
        """The part of the places' time that is used; from 1 on the line grows without end."""
        return self.offered / self.places

    @property
    def waiting_chance(self) -> float:
        """Erlang C: the chance that all places are busy when somebody comes."""
        if self.utilisation >= 1:
            return 1.0
        blocked = erlang_b(offered=self.offered, places=self.places)
        return blocked / (1 - self.utilisation * (1 - blocked))

    def wait_s(self, share: float) -> float:
        """The wait that ``share`` (0 to 1) of all do not exceed; infinite where the line grows without end."""
        if self.utilisation >= 1:
            return math.inf
        chance = self.waiting_chance
        if chance <= 1 - share:
            return 0.0
        spare = (self.places - self.offered) / self.service_s
        return (self.arrivals_vary + self.service_varies) / 2 * math.log(chance / (1 - share)) / spare


def erlang_b(*, offered: float, places: int) -> float:
    """The chance that all places are busy when nobody can wait: B(0) = 1, B(c) = a B(c-1) / (c + a B(c-1))."""
    blocked = 1.0
    for busy in range(1, places + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return blocked


def places_for(
    *, per_second: float, service_s: float, wait_s: float, share: float, utilisation: float, service_varies: float = 1.0
) -> int:
    """The fewest places with which ``share`` of all wait no longer than ``wait_s``, and which are busy for no more than
    ``utilisation`` of their time: what a formula knows nothing of (a provider's bad minute) needs room too. Raises
    ValueError for a wait or a utilisation that no number of places reaches."""
    if wait_s < 0 or not 0 < utilisation < 1:
        raise ValueError(f"no number of places makes the wait {wait_s:g} s and the utilisation {utilisation:g}")

    def suffices(places: int) -> bool:
        queue = Queue(
            per_second=per_second, service_s=service_s, places=places, arrivals_vary=1.0, service_varies=service_varies
        )
        return queue.wait_s(share) <= wait_s

    places = max(1, math.ceil(per_second * service_s / utilisation))
    while not suffices(places):
        places += 1
    return places
