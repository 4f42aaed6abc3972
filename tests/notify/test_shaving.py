"""Peak shaving decided: who is taken, who is refused, and what they are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify import shaving
from notify.shaving import MAX_WAIT_S, MIN_WAIT_S, Count, Limits, Load, State, decide, drain_rate, retry_after

LIMITS = Limits(soft=1_000, hard=3_000)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def load(depth: int, *, per_second: float | None = 100.0, limits: Limits = LIMITS, lane: str = "sms.bulk") -> Load:
    return Load(lane=lane, depth=depth, per_second=per_second, limits=limits)


@st.composite
def loads(draw: st.DrawFn) -> Load:
    soft = draw(st.integers(1, 10**7))
    return Load(
        lane="sms.bulk",
        depth=draw(st.integers(0, 5 * 10**7)),
        per_second=draw(st.none() | st.floats(min_value=0, max_value=1e6)),
        limits=Limits(soft=soft, hard=draw(st.integers(soft, 2 * 10**7))),
    )


@pytest.mark.parametrize(
    ("depth", "state", "share"),
    [
        (0, State.OPEN, 1.0),
        (999, State.OPEN, 1.0),
        (1_000, State.SLOWED, 1.0),
        (1_500, State.SLOWED, 0.75),
        (2_000, State.SLOWED, 0.5),
        (2_998, State.SLOWED, 0.001),
        (3_000, State.REFUSING, 0.0),
        (9_000, State.REFUSING, 0.0),
    ],
)
def test_a_lane_takes_less_and_less_between_its_limits(depth: int, state: State, share: float) -> None:
    assert load(depth).state is state
    assert load(depth).share == pytest.approx(share)


def test_a_lane_whose_limits_are_one_is_never_slowed() -> None:
    limits = Limits(soft=10, hard=10)
    assert [load(depth, limits=limits).state for depth in (9, 10)] == [State.OPEN, State.REFUSING]


@pytest.mark.parametrize(("draw", "refused"), [(0.0, False), (0.49, False), (0.5, True), (0.99, True)])
def test_a_slowed_lane_takes_its_share(draw: float, refused: bool) -> None:
    assert (decide([load(2_000)], draw=draw, jitter=0) is not None) is refused


def test_without_lanes_everything_is_taken() -> None:
    assert decide([], draw=0.999, jitter=0) is None


def test_of_several_lanes_one_that_refuses_is_enough() -> None:
    refusal = decide([load(0), load(4_000, lane="email.bulk")], draw=0.0, jitter=0)
    assert refusal is not None
    assert refusal.load.lane == "email.bulk"


def test_of_several_that_refuse_the_one_that_takes_longest_is_told() -> None:
    quick, slow = load(4_000, per_second=1_000), load(4_000, per_second=20, lane="email.bulk")
    refusal = decide([quick, slow], draw=0.0, jitter=0)
    assert refusal is not None
    assert (refusal.load.lane, refusal.retry_after_s) == ("email.bulk", 150)


@pytest.mark.parametrize(
    ("depth", "per_second", "jitter", "seconds"),
    [
        (3_000, 100.0, 0.0, 20.0),
        (3_000, 100.0, 0.5, 25.0),
        (1_001, 100.0, 0.0, MIN_WAIT_S),
        (3_000, 0.0, 0.0, 200.0),
        (3_000, 0.0, 0.999999, 299.9999),
        (3_000_000, 1.0, 0.5, 250.0),
        (3_000, None, 0.0, 30.0),
    ],
)
def test_the_wait_is_what_the_excess_takes_to_drain(
    depth: int, per_second: float | None, jitter: float, seconds: float
) -> None:
    assert retry_after(load(depth, per_second=per_second), jitter=jitter) == pytest.approx(seconds)


@given(loads(), chances, chances)
def test_a_lane_below_its_soft_limit_refuses_nobody_and_one_at_its_hard_limit_everybody(
    one: Load, draw: float, jitter: float
) -> None:
    refused = decide([one], draw=draw, jitter=jitter) is not None
    if one.depth < one.limits.soft:
        assert not refused
    if one.depth >= one.limits.hard:
        assert refused


@given(loads(), chances, chances)
def test_every_wait_is_within_its_bounds(one: Load, draw: float, jitter: float) -> None:
    refusal = decide([one], draw=draw, jitter=jitter)
    assert refusal is None or MIN_WAIT_S <= refusal.retry_after_s <= MAX_WAIT_S


@given(loads(), st.integers(0, 10**6), chances)
def test_who_is_refused_is_refused_by_a_deeper_lane_too(one: Load, more: int, draw: float) -> None:
    deeper = Load(lane=one.lane, depth=one.depth + more, per_second=one.per_second, limits=one.limits)
    if decide([one], draw=draw, jitter=0) is not None:
        assert decide([deeper], draw=draw, jitter=0) is not None


@given(st.lists(loads(), max_size=4), chances)
def test_a_request_is_taken_by_all_of_its_lanes_or_by_none(several: list[Load], draw: float) -> None:
    together = decide(several, draw=draw, jitter=0) is None
    assert together == all(decide([one], draw=draw, jitter=0) is None for one in several)


def test_what_comes_in_settles_to_what_goes_out() -> None:
    """Ten times as much comes as can leave, for long: the lane stops growing short of its hard limit."""
    depth, out, comes = 0.0, 1_000, 10_000
    limits = Limits(soft=50_000, hard=200_000)
    for _second in range(600):
        share = load(int(depth), limits=limits).share
        depth = max(0.0, depth + comes * share - out)
    assert depth == pytest.approx(limits.hard - 0.1 * (limits.hard - limits.soft), rel=0.01)


# --- how fast a lane drains -------------------------------------------------------------------------------------------


def found(still: int, *, depth: int | None = None, capped: bool = False) -> Count:
    return Count(depth=still if depth is None else depth, still=still, capped=capped)


def test_the_first_rate_is_what_left_in_the_time() -> None:
    assert drain_rate(before=1_000, rate=None, count=found(800, depth=5_000), seconds=2) == 100


def test_a_rate_follows_what_is_seen_little_by_little() -> None:
    rate = drain_rate(before=1_000, rate=100, count=found(600), seconds=1)
    assert rate is not None
    assert 100 < rate < 200
    for _measuring in range(200):
        rate = drain_rate(before=1_000, rate=rate, count=found(600), seconds=1)
    assert rate == pytest.approx(400, rel=0.01)


def test_a_lane_that_stands_still_loses_its_rate() -> None:
    rate: float | None = 500.0
    for _measuring in range(200):
        rate = drain_rate(before=1_000, rate=rate, count=found(1_000), seconds=1)
    assert rate == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    ("before", "count", "seconds"),
    [
        (0, found(0, depth=700), 1.0),
        (500, found(600), 1.0),
        (500, found(400, capped=True), 1.0),
        (500, found(400), 0.0),
        (500, found(400), -3.0),
    ],
    ids=["nothing waited", "some came late", "not counted to the end", "no time", "a clock set back"],
)
def test_figures_that_say_nothing_leave_the_rate_as_it_was(before: int, count: Count, seconds: float) -> None:
    assert drain_rate(before=before, rate=42.0, count=count, seconds=seconds) == 42.0
    assert drain_rate(before=before, rate=None, count=count, seconds=seconds) is None


def test_a_lane_that_was_emptied_is_at_least_as_fast_as_it_was_thought_to_be() -> None:
    assert drain_rate(before=10, rate=300.0, count=found(0), seconds=1) == 300.0
    assert drain_rate(before=900, rate=300.0, count=found(0), seconds=1) == 900.0


@given(
    before=st.integers(0, 10**7),
    still=st.integers(0, 10**7),
    rate=st.none() | st.floats(min_value=0, max_value=1e6),
    seconds=st.floats(min_value=-10, max_value=1e4),
)
def test_a_rate_is_never_negative(before: int, still: int, rate: float | None, seconds: float) -> None:
    seen = drain_rate(before=before, rate=rate, count=found(still), seconds=seconds)
    assert seen is None or seen >= 0


def test_the_bounds_are_those_of_the_contract() -> None:
    assert (shaving.MIN_WAIT_S, shaving.MAX_WAIT_S) == (1, 300)
