"""The fast trip, probes, and what they mean for a provider that is open."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.degradation import fast_trip, probing
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.degradation.thresholds import DEFAULTS
from channels.quality.tally import Run
from tests.channels.degradation.situations import DEAD, NOTHING, WELL, at, healthy, judge, standing


def opened(since: float = 0, **changes: object) -> ProviderStanding:
    fields: dict[str, object] = {
        "next_probe_at": at(since + 10),
        "probes_needed": 5,
        "tripped_at": at(since),
        **changes,
    }
    return standing(ProviderState.OPEN, 0.0, since, **fields)


def trip(before: ProviderStanding, **changes: Any) -> ProviderStanding | None:
    """Ten faults in a row, the last batch nothing but faults, unless ``changes`` say otherwise."""
    facts: dict[str, Any] = {"consecutive_faults": 10, "batch": 10, "batch_faults": 10, "alone": False, **changes}
    return fast_trip.trip(standing=before, thresholds=DEFAULTS, now=at(0), **facts)


def test_a_batch_of_nothing_but_faults_opens_a_provider_at_once() -> None:
    tripped = trip(healthy())

    assert tripped is not None
    assert (tripped.state, tripped.share) == ("open", 0.0)
    assert tripped.reason == "10 faults in a row, all 10 of the last batch"


@pytest.mark.parametrize(
    ("faults", "batch", "bad"),
    [(9, 9, 9), (10, 10, 9), (50, 0, 0), (0, 10, 0)],
    ids=["few", "one good", "none", "well"],
)
def test_less_than_that_does_not(faults: int, batch: int, bad: int) -> None:
    assert trip(healthy(), consecutive_faults=faults, batch=batch, batch_faults=bad) is None


@pytest.mark.parametrize(
    ("rate_before", "alone", "run"),
    [(0.0, False, 10), (0.1, False, 10), (0.3, False, 10), (None, False, 10), (0.6, False, 23), (0.0, True, 20)],
)
def test_how_long_a_run_it_takes_depends_on_what_came_before_and_on_what_a_mistake_would_cost(
    rate_before: float | None, alone: bool, run: int
) -> None:
    for faults, opens in ((run - 1, False), (run, True)):
        tripped = trip(healthy(), consecutive_faults=faults, rate_before=rate_before, alone=alone)
        assert (tripped is not None) is opens


@pytest.mark.parametrize(
    ("good_before", "rate_before", "alone", "run"),
    [
        (0, None, False, 10),
        (19, 0.0, False, 10),
        (19, 0.6, False, 23),
        (20, None, False, 5),
        (20, 0.0, False, 5),
        (20, 0.6, False, 5),
        (20, None, True, 10),
    ],
)
def test_after_a_good_stretch_a_shorter_run_says_that_it_is_over(
    good_before: int, rate_before: float | None, alone: bool, run: int
) -> None:
    for faults, opens in ((run - 1, False), (run, True)):
        tripped = trip(
            healthy(), consecutive_faults=faults, good_before=good_before, rate_before=rate_before, alone=alone
        )
        assert (tripped is not None) is opens


@given(rate=st.floats(0, 1))
@example(rate=0.2)  # the worst: five of twenty-five
def test_no_steady_share_of_faults_opens_after_a_good_stretch_more_often_than_chance_may(rate: float) -> None:
    good = DEFAULTS.trip.good
    run = DEFAULTS.trip.run(None, alone=False, good_before=good)

    assert (1 - rate) ** good * rate**run <= DEFAULTS.trip.chance


def test_a_brown_out_that_begins_after_a_good_stretch_opens_hardly_ever() -> None:
    """By messages one at a time, which is the hardest: no good one is in the batch of a bad one."""
    rng = random.Random(1)
    opened_in = sum(_opens(rng, messages=300) for _ in range(1000))

    assert opened_in <= 20  # eight are those whose first five messages all fail


def _opens(rng: random.Random, *, messages: int) -> bool:
    run = Run()
    for moment in range(1, 30):
        run.succeed(float(moment))
    for moment in range(30, 30 + messages):
        if rng.random() >= 0.3:
            run.succeed(float(moment))
            continue
        run.fail(float(moment))
        if len(run.faults) >= DEFAULTS.trip.run(0.3, alone=False, good_before=run.good_before):
            return True
    return False


def test_a_process_that_lost_its_own_network_opens_nothing_for_the_others() -> None:
    assert trip(healthy(), others_get_through=True) is None
    assert trip(healthy(), others_get_through=False) is not None


def test_what_is_pinned_open_or_disabled_does_not_trip() -> None:
    assert trip(healthy(pinned_by="manual")) is None
    assert trip(opened()) is None
    assert trip(standing(ProviderState.DISABLED, 0.0, 0)) is None


@pytest.mark.parametrize(
    ("priority", "category", "may"),
    [
        ("bulk", "marketing", True),
        ("normal", "", True),
        ("critical", "", False),
        ("normal", "security", False),
        ("normal", "OTP", False),
    ],
)
def test_what_matters_most_is_never_a_probe(priority: str, category: str, may: bool) -> None:
    assert probing.may_be_probe(priority=priority, category=category) is may


def test_one_probe_at_a_time_goes_when_its_time_has_come() -> None:
    assert probing.probes_allowed(standing=opened(), now=at(9)) == 0
    assert probing.probes_allowed(standing=opened(), now=at(10)) == 1
    begun = probing.begin(standing=opened(), thresholds=DEFAULTS, alone=False, now=at(10))
    assert probing.probes_allowed(standing=begun, now=at(11)) == 0
    assert probing.probes_allowed(standing=begun, now=at(20)) == 1


@pytest.mark.parametrize("state", [state for state in ProviderState if state is not ProviderState.OPEN])
def test_only_open_providers_are_probed(state: ProviderState) -> None:
    assert probing.probes_allowed(standing=standing(state, 1.0, -100), now=at(0)) == 0
    assert probing.probes_allowed(standing=opened(pinned_by="manual"), now=at(1000)) == 0


def note(before: ProviderStanding, *, succeeded: bool, now: float, alone: bool = False) -> ProviderStanding:
    return probing.note(standing=before, succeeded=succeeded, thresholds=DEFAULTS, alone=alone, now=at(now))


def test_enough_probes_in_a_row_begin_the_ramp() -> None:
    before = opened()
    for number in range(4):
        before = note(before, succeeded=True, now=10 + 10 * number)
        assert before.state == "open"
        assert before.next_probe_at == at(20 + 10 * number)
    after = note(before, succeeded=True, now=50)

    assert (after.state, after.share) == ("recovering", 0.1)
    assert after.reason == "5 probes in a row succeeded"


def test_a_failed_probe_begins_the_count_anew_and_waits_as_long_as_relapses_ask() -> None:
    after = note(opened(probe_successes=4, relapses=2), succeeded=False, now=50)

    assert (after.state, after.probe_successes, after.next_probe_at) == ("open", 0, at(90))


def test_probes_that_fail_again_and_again_become_rarer() -> None:
    before, waits = opened(), []
    for _ in range(5):
        before = note(before, succeeded=False, now=100)
        assert before.next_probe_at is not None
        waits.append((before.next_probe_at - at(100)).total_seconds())

    assert waits == [10, 15, 22.5, 30, 30]


def test_probes_are_quicker_and_fewer_while_nobody_else_carries() -> None:
    (change,) = (one for one in judge({"a": DEAD}, {"a": healthy()}).transitions if one.target == "provider:a")
    assert change.after == "open"
    before = judge({"a": DEAD}, {"a": healthy()}).providers["a"]
    assert (before.next_probe_at, before.probes_needed) == (at(1), 2)

    for second in (1, 2):
        before = note(before, succeeded=True, now=second, alone=True)
    assert before.state == "recovering"


def test_an_open_provider_becomes_urgent_when_the_last_other_one_falls() -> None:
    waiting = opened(-100, next_probe_at=at(200), relapses=5, probed_at=at(-50))
    after = judge({"a": NOTHING, "b": DEAD}, {"a": waiting, "b": healthy()}).providers["a"]

    assert after.probes_needed == 2
    assert after.next_probe_at is not None
    assert after.next_probe_at <= at(0)


def test_without_any_message_that_may_be_a_probe_its_share_is_tried_in_the_end() -> None:
    waiting = opened(0)

    assert judge({"a": NOTHING, "b": WELL}, {"a": waiting, "b": healthy()}, now=909).providers["a"].state == "open"
    after = judge({"a": NOTHING, "b": WELL}, {"a": waiting, "b": healthy()}, now=910).providers["a"]
    assert (after.state, after.share) == ("recovering", 0.1)


def test_probes_that_go_and_fail_keep_it_open_however_long() -> None:
    waiting = opened(0, probed_at=at(3595), next_probe_at=at(3605))

    assert judge({"a": NOTHING, "b": WELL}, {"a": waiting, "b": healthy()}, now=3600).providers["a"].state == "open"
