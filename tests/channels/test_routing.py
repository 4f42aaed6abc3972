"""Which provider is asked, and in which order."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from channels import routing
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.routing import Candidate
from channels.specs import ProviderSpec

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def spec(name: str, weight: int) -> ProviderSpec:
    return ProviderSpec(name=name, channel="sms", adapter="sandbox", weight=weight)


def rank(
    providers: list[ProviderSpec], *, rng: random.Random, standings: dict[str, ProviderStanding] | None = None
) -> tuple[Candidate, ...]:
    return routing.rank(routing.plan(providers, standings=standings or {}), rng=rng)


def standing(state: ProviderState, share: float) -> ProviderStanding:
    return ProviderStanding(state=state, share=share, since=NOON, changed_at=NOON, reason="61% errors over 60 s")


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


def test_a_provider_that_is_open_is_not_asked_and_the_reason_says_why() -> None:
    open_ = standing(ProviderState.OPEN, 0.0)
    (only,) = rank([spec("a", 70), spec("b", 30)], rng=random.Random(1), standings={"a": open_})
    assert only.provider.name == "b"
    assert "a skipped: open since 12:00:00, 61% errors over 60 s" in only.reason


def test_one_that_is_degraded_gets_its_share_of_its_weight() -> None:
    cut = {"a": standing(ProviderState.DEGRADED, 0.3)}
    rng = random.Random(3)
    first = Counter(rank([spec("a", 50), spec("b", 50)], rng=rng, standings=cut)[0].provider.name for _ in range(5000))
    assert 0.20 < first["a"] / 5000 < 0.26  # 15 of 65


def test_when_all_are_open_nobody_is_asked() -> None:
    plan = routing.plan(
        [spec("a", 70), spec("b", 30)], standings=dict.fromkeys("ab", standing(ProviderState.OPEN, 0.0))
    )
    assert routing.rank(plan, rng=random.Random(1)) == ()
    assert not plan.carried
    assert [one.name for one in plan.open] == ["a", "b"]
