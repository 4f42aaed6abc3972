"""What standings mean for the traffic: effective weights, admission, and what is stored."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from math import inf
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.degradation.admission import Admission, admit, look_again_in, ticket
from channels.degradation.standing import (
    ChannelStanding,
    ChannelState,
    ProviderStanding,
    ProviderState,
)
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.degradation.weights import effective_weights
from tests.channels.degradation.situations import BROWN, DEAD, T0, at, healthy, judge, standing

SHARES = {"healthy": 1.0, "degraded": 0.3, "recovering": 0.1, "open": 0.0, "disabled": 0.0}


def states(**names: str) -> dict[str, ProviderStanding]:
    return {name: standing(ProviderState(state), SHARES[state], -10) for name, state in names.items()}


@pytest.mark.parametrize(
    ("standings", "configured", "effective"),
    [
        ({}, {}, {}),
        ({}, {"a": 70, "b": 30}, {"a": 70, "b": 30}),
        (states(a="open"), {"a": 70, "b": 30}, {"a": 0, "b": 100}),
        (states(a="degraded", b="degraded"), {"a": 70, "b": 30}, {"a": 70, "b": 30}),
        (states(a="recovering"), {"a": 50, "b": 50}, {"a": 100 / 11, "b": 1000 / 11}),
        (states(a="recovering"), {"a": 50}, {"a": 50}),
        (states(a="open", b="open"), {"a": 70, "b": 30}, {"a": 0, "b": 0}),
        (states(a="open", b="disabled"), {"a": 70, "b": 30, "spare": 0}, {"a": 0, "b": 0, "spare": 100}),
        (states(a="healthy"), {"a": 70, "spare": 0}, {"a": 70, "spare": 0}),
        ({}, {"a": 0, "b": 0}, {"a": 1, "b": 1}),
    ],
)
def test_effective_weights(
    standings: dict[str, ProviderStanding], configured: dict[str, float], effective: dict[str, float]
) -> None:
    assert effective_weights(standings=standings, configured=configured) == pytest.approx(effective)


@given(
    providers=st.dictionaries(
        st.sampled_from("abcde"), st.tuples(st.sampled_from(list(ProviderState)), st.integers(0, 1000)), max_size=5
    ),
    share=st.sampled_from([0.1, 0.3, 0.6, 1.0]),
)
def test_weights_sum_to_what_they_should_and_none_is_on_an_open_provider(
    providers: dict[str, tuple[ProviderState, int]], share: float
) -> None:
    standings = {name: standing(state, share, 0) for name, (state, _weight) in providers.items()}
    configured = {name: float(weight) for name, (_state, weight) in providers.items()}
    weights = effective_weights(standings=standings, configured=configured)

    assert set(weights) == set(configured)
    for name, one in standings.items():
        assert weights[name] == 0 or one.carries
    if any(one.carries for one in standings.values()):
        expected = sum(configured.values()) or sum(one.carries for one in standings.values())
        assert sum(weights.values()) == pytest.approx(expected)
    else:
        assert sum(weights.values()) == 0


def place(state: ChannelState, share: float, **changes: bool) -> ChannelStanding:
    return ChannelStanding(state=state, share=share, since=T0, changed_at=T0, **changes)


@pytest.mark.parametrize(
    ("state", "share", "priority", "may_switch", "carried", "place_in_ramp", "goes"),
    [
        (ChannelState.NORMAL, 1.0, "bulk", False, True, 0.9, Admission.SEND),
        (ChannelState.NORMAL, 1.0, "critical", True, False, 0.9, Admission.SWITCH),
        (ChannelState.NORMAL, 1.0, "critical", False, False, 0.9, Admission.HOLD),
        (ChannelState.NORMAL, 1.0, "bulk", True, False, 0.9, Admission.HOLD),
        (ChannelState.SHEDDING, 0.0, "bulk", True, True, 0.0, Admission.HOLD),
        (ChannelState.SHEDDING, 0.3, "bulk", True, True, 0.31, Admission.SEND),
        (ChannelState.SHEDDING, 0.3, "bulk", True, False, 0.0, Admission.HOLD),
        (ChannelState.SHEDDING, 0.0, "normal", True, True, 0.9, Admission.SEND),
        (ChannelState.SWITCHED, 0.3, "bulk", True, True, 0.0, Admission.HOLD),
        (ChannelState.SWITCHED, 0.3, "normal", True, True, 0.29, Admission.SEND),
        (ChannelState.SWITCHED, 0.3, "critical", True, True, 0.31, Admission.SWITCH),
        (ChannelState.SWITCHED, 0.0, "critical", False, True, 0.9, Admission.SEND),
        (ChannelState.SWITCHED, 0.0, "critical", False, False, 0.9, Admission.HOLD),
        (ChannelState.PAUSED, 0.0, "critical", False, True, 0.0, Admission.HOLD),
        (ChannelState.PAUSED, 0.3, "critical", False, True, 0.1, Admission.SEND),
        (ChannelState.PAUSED, 0.0, "critical", True, False, 0.1, Admission.SWITCH),
    ],
)
def test_where_a_message_goes(
    state: ChannelState,
    share: float,
    priority: str,
    may_switch: bool,
    carried: bool,
    place_in_ramp: float,
    goes: Admission,
) -> None:
    admitted = admit(
        standing=place(state, share), priority=priority, may_switch=may_switch, carried=carried, ticket=place_in_ramp
    )

    assert admitted is goes


def test_what_waited_because_nobody_carried_anything_comes_back_by_the_ramp() -> None:
    back = place(ChannelState.SWITCHED, 0.3, stopped=True, rising=True)
    places = (0.1, 0.5)
    went = [admit(standing=back, priority="normal", may_switch=False, carried=True, ticket=one) for one in places]

    assert went == [Admission.SEND, Admission.HOLD]


@pytest.mark.parametrize(
    ("state", "share", "pace", "doubles_s", "after_s", "per_s"),
    [
        (ChannelState.NORMAL, 1.0, 0.0, 0.0, 0, inf),
        (ChannelState.SHEDDING, 0.0, 20.0, 0.0, 0, 0.0),
        (ChannelState.SHEDDING, 0.3, 20.0, 0.0, 0, 6.0),
        (ChannelState.SHEDDING, 0.3, 0.0, 0.0, 0, inf),
        (ChannelState.SWITCHED, 0.6, 20.0, 0.0, 0, 0.0),
        (ChannelState.PAUSED, 0.6, 20.0, 0.0, 0, 0.0),
        (ChannelState.NORMAL, 1.0, 20.0, 300.0, 0, 20.0),
        (ChannelState.NORMAL, 1.0, 20.0, 300.0, 300, 40.0),
        (ChannelState.NORMAL, 1.0, 20.0, 300.0, 600, 80.0),
        (ChannelState.NORMAL, 1.0, 20.0, 300.0, 2100, inf),
    ],
)
def test_held_bulk_comes_back_by_steps_to_the_pace_there_was_and_from_there_faster_and_faster(
    state: ChannelState, share: float, pace: float, doubles_s: float, after_s: float, per_s: float
) -> None:
    stands = replace(place(state, share), pace=pace, pace_doubles_s=doubles_s)

    assert stands.bulk_pace(now=at(after_s)) == per_s


@given(
    priority=st.sampled_from(["critical", "normal", "bulk"]),
    waited_s=st.floats(0, 86_400),
    left_s=st.floats(0, 86_400),
    seed=st.integers(0, 1000),
)
def test_what_is_held_looks_again_at_least_twice_in_the_time_that_is_left(
    priority: str, waited_s: float, left_s: float, seed: int
) -> None:
    wait_s = look_again_in(priority=priority, waited_s=waited_s, left_s=left_s, rng=random.Random(seed))

    assert 0 < wait_s <= max(left_s / 2, 0.5)


def test_a_message_has_the_same_ticket_at_each_look_and_tickets_are_spread_evenly() -> None:
    one = uuid4()
    assert ticket(one) == ticket(UUID(str(one)))
    below = sum(ticket(uuid4()) < 0.3 for _ in range(5000))
    assert 0.27 < below / 5000 < 0.33


def test_standings_survive_being_stored() -> None:
    verdict = judge({"a": DEAD, "b": BROWN}, {"a": healthy(tripped_at=at(-5))}, fallback_usable=True)

    assert verdict.channel.tripped_at is not None
    assert ChannelStanding.from_json(json.loads(json.dumps(verdict.channel.as_json()))) == verdict.channel
    for one in verdict.providers.values():
        assert ProviderStanding.from_json(json.loads(json.dumps(one.as_json()))) == one


def test_what_an_older_or_a_newer_version_stored_can_be_read() -> None:
    stored = healthy().as_json()
    del stored["probes_needed"]

    assert ProviderStanding.from_json({**stored, "invented_later": 1}) == healthy()


def test_thresholds_are_read_from_a_policy_and_the_rest_are_defaults() -> None:
    rules = {
        "window_s": 30,
        "error_rate": {"degrade": 0.2},
        "ramp": {"steps": [50, 100], "hold_s": 5},
        "invented_later": {"x": 1},
    }
    thresholds = Thresholds.parse(rules)

    assert thresholds.window_s == 30
    assert (thresholds.error_rate.degrade, thresholds.error_rate.open) == (0.2, 0.5)
    assert thresholds.error_rate.well_below == pytest.approx(0.1)
    assert thresholds.ramp.steps == (50, 100)
    assert thresholds.probe == DEFAULTS.probe
    assert Thresholds.parse({}) == DEFAULTS


def test_the_defaults_are_those_of_the_configuration_file() -> None:
    from channels.entries import PolicyEntry

    assert Thresholds.parse(PolicyEntry(target="channel:sms").rules) == DEFAULTS


def test_the_steps_of_a_ramp_lead_up_and_down_and_stay_within_their_ends() -> None:
    ramp = DEFAULTS.ramp
    assert [ramp.above(share) for share in (0.0, 0.1, 0.3, 0.6, 1.0)] == [0.1, 0.3, 0.6, 1.0, 1.0]
    assert [ramp.below(share) for share in (1.0, 0.6, 0.3, 0.1, 0.03, 0.01)] == [0.6, 0.3, 0.1, 0.03, 0.03, 0.01]
    assert timedelta(seconds=DEFAULTS.flap.lengthen(900, 10)) == timedelta(minutes=15)
