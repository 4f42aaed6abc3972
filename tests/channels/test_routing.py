"""Which provider is asked, and in which order."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from channels.directory import ProviderSpec
from channels.routing import rank


def spec(name: str, weight: int) -> ProviderSpec:
    return ProviderSpec(name=name, channel="sms", adapter="sandbox", weight=weight)


def test_no_providers_give_no_candidates() -> None:
    assert rank([], rng=random.Random(1)) == ()


def test_one_provider_is_the_only_candidate_whatever_its_weight() -> None:
    assert [candidate.provider.name for candidate in rank([spec("a", 0)], rng=random.Random(1))] == ["a"]


def test_first_places_follow_the_weights() -> None:
    rng = random.Random(11)
    providers = [spec("a", 70), spec("b", 30)]
    first = Counter(rank(providers, rng=rng)[0].provider.name for _ in range(5000))
    assert 0.66 < first["a"] / 5000 < 0.74


def test_weight_zero_is_a_last_resort() -> None:
    providers = [spec("spare", 0), spec("a", 1), spec("b", 1)]
    rng = random.Random(2)
    assert all(rank(providers, rng=rng)[-1].provider.name == "spare" for _ in range(100))


def test_every_candidate_says_why_it_stands_where_it_stands() -> None:
    ranked = rank([spec("a", 70), spec("b", 30)], rng=random.Random(5))
    assert "weight" in ranked[0].reason
    assert ranked[0].provider.name in ranked[1].reason


@given(weights=st.lists(st.integers(0, 1000), max_size=6), seed=st.integers(0, 2**32))
def test_every_provider_is_ranked_exactly_once(weights: list[int], seed: int) -> None:
    providers = [spec(f"p{number}", weight) for number, weight in enumerate(weights)]
    ranked = rank(providers, rng=random.Random(seed))
    assert sorted(candidate.provider.name for candidate in ranked) == sorted(p.name for p in providers)
