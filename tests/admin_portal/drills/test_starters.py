"""The drills that the demo comes with."""

from __future__ import annotations

import pytest

from admin_portal.drills.starters import STARTERS
from admin_portal.drills.terms import Terms
from channels.degradation.thresholds import DEFAULTS


def terms_of(name: str) -> Terms:
    return STARTERS[name][3]


def test_one_is_watched_until_its_provider_has_its_share_back_by_the_policy_that_everybody_has() -> None:
    terms = terms_of("push-north-comes-back")
    probe, ramp = DEFAULTS.probe, DEFAULTS.ramp
    # A probe that failed just before the fault's end, those that succeed, and every step of the ramp.
    takes_s = probe.interval_s * (1 + probe.successes) + ramp.hold_s * (len(ramp.steps) - 1)
    assert terms.hypothesis.recover_within_s is not None
    assert takes_s <= terms.hypothesis.recover_within_s <= terms.recover_s


def test_at_the_first_step_of_the_ramp_there_is_enough_of_it_to_be_judged_by() -> None:
    terms, share = terms_of("push-north-comes-back"), DEFAULTS.ramp.lowest
    # Of two providers with the same weight, one at its first step.
    seen = terms.rate_per_s * share / (1 + share) * DEFAULTS.ramp.hold_s
    assert seen > 1.5 * DEFAULTS.min_samples


@pytest.mark.parametrize("name", STARTERS)
def test_each_is_over_in_a_few_minutes(name: str) -> None:
    terms = terms_of(name)
    assert terms.warm_s + terms.fault_s + terms.recover_s <= 240
