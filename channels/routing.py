"""Which provider to ask, and in which order: pure, from configuration and standings to ranked candidates, each with its
reason."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from channels.degradation import pin
from channels.degradation.pin import PinSpec
from channels.degradation.standing import ChannelStanding, ProviderStanding, ProviderState
from channels.degradation.weights import effective_weights
from channels.specs import ProviderSpec

_ALL_WELL: Final[Mapping[str, ProviderStanding]] = MappingProxyType({})
_REASON_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may be asked, and why at this place of the ranking. ``probe``: it is open, and this message is
    to find out whether it is well again."""

    provider: ProviderSpec
    reason: str
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a channel's messages draw from, until configuration or standings change: providers with their effective
    weights, those for the last resort, those that are open, and in words who does not carry what he should."""

    weighted: tuple[tuple[ProviderSpec, float], ...] = ()
    last: tuple[ProviderSpec, ...] = ()
    open: tuple[ProviderSpec, ...] = ()
    words: str = ""

    @property
    def carried(self) -> bool:
        """Whether anybody carries ordinary traffic."""
        return bool(self.weighted or self.last)


def plan(
    providers: Sequence[ProviderSpec],
    *,
    standings: Mapping[str, ProviderStanding] = _ALL_WELL,
    pins: Sequence[PinSpec] = (),
) -> Plan:
    """The plan for ``providers``, the enabled ones of a channel. Who has no standing is well. ``pins``: what people
    have ordered of it, which ``providers`` and ``standings`` obey already."""
    weights = effective_weights(standings=standings, configured={one.name: one.weight for one in providers})
    carrying = [one for one in providers if one.name not in standings or standings[one.name].carries]
    weighted = [one for one in carrying if weights[one.name] > 0]
    words = [
        _words(one.name, standings[one.name])
        for one in providers
        if one.name in standings and standings[one.name].state is not ProviderState.HEALTHY
    ]
    return Plan(
        weighted=tuple((one, weights[one.name]) for one in weighted),
        last=tuple(one for one in carrying if one not in weighted),
        open=tuple(one for one in providers if one not in carrying and standings[one.name].state is ProviderState.OPEN),
        words="; ".join([*_orders(pins), *words])[:_REASON_LIMIT],
    )


def _orders(pins: Sequence[PinSpec]) -> list[str]:
    words = [f"{name} skipped: {one.words}" for name, one in pin.removed(pins).items()]
    setting = pin.reweighting(pins)
    return words if setting is None else [*words, f"weights: {setting.words}"]


def _words(name: str, standing: ProviderStanding) -> str:
    how = "skipped: open" if standing.state is ProviderState.OPEN else f"{standing.state} at {standing.share:.0%}"
    return f"{name} {how} since {standing.since:%H:%M:%S}, {standing.reason}"


def lane_is_held(*, standing: ChannelStanding | None, priority: str, carried: bool) -> bool:
    """Whether nothing of a lane is worth fetching. Bulk is held in the table while its channel holds it: it need not be
    fetched to be told so. Anything else is, since it may go to another channel."""
    if priority != "bulk":
        return False
    return not carried or (standing is not None and standing.holds_bulk)


def rank(plan: Plan, *, rng: random.Random) -> tuple[Candidate, ...]:
    """Everybody who carries traffic: the first drawn by effective weight, the next drawn among the rest, and so on;
    then those for the last resort. Who is open does not come at all. Nobody: no candidates."""
    before = f"{plan.words}; " if plan.words else ""
    if len(plan.weighted) + len(plan.last) == 1:
        (only,) = (*(one for one, _weight in plan.weighted), *plan.last)
        return (Candidate(only, f"{before}{only.name} chosen, nobody else carries" if before else "the only provider"),)
    rest = list(plan.weighted)
    ranked: list[Candidate] = []
    while rest:
        total = sum(weight for _provider, weight in rest)
        place = rng.choices(range(len(rest)), weights=[weight for _provider, weight in rest])[0]
        provider, weight = rest.pop(place)
        how = f"next after {ranked[-1].provider.name}" if ranked else f"{before}{provider.name} chosen"
        ranked.append(Candidate(provider, f"{how}, weight {weight:.0f} of {total:.0f}"))
    ranked += [Candidate(provider, "last resort, weight 0") for provider in plan.last]
    return tuple(ranked)
