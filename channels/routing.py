"""Which provider to ask, and in which order: pure, from configuration to ranked candidates, each with its reason."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from channels.directory import ProviderSpec


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may be asked, and why at this place of the ranking."""

    provider: ProviderSpec
    reason: str


def rank(providers: Sequence[ProviderSpec], *, rng: random.Random) -> tuple[Candidate, ...]:
    """All of ``providers``, the first drawn by weight, the next drawn by weight among the rest, and so on. Those of
    weight zero come last, as a last resort. No providers: no candidates."""
    if len(providers) == 1:
        return (Candidate(providers[0], "the only provider"),)
    rest = [provider for provider in providers if provider.weight > 0]
    ranked: list[Candidate] = []
    while rest:
        total = sum(provider.weight for provider in rest)
        chosen = rng.choices(rest, weights=[provider.weight for provider in rest])[0]
        place = "chosen" if not ranked else f"next after {ranked[-1].provider.name}"
        ranked.append(Candidate(chosen, f"{place}, weight {chosen.weight} of {total}"))
        rest.remove(chosen)
    ranked += [Candidate(provider, "last resort, weight 0") for provider in providers if provider.weight == 0]
    return tuple(ranked)
