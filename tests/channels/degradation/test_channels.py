"""What a channel does when none of its providers is well, and how it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState, Verdict
from channels.degradation.thresholds import DEFAULTS
from channels.figures import Figures
from tests.channels.degradation.situations import BAD, BROWN, DEAD, NOTHING, WELL, at, healthy, judge, standing


def channel(state: ChannelState, share: float, since: float, **changes: object) -> ChannelStanding:
    fields: dict[str, object] = {"hold_s": 5.0, "tripped_at": at(since), **changes}
    return ChannelStanding(state=state, share=share, since=at(since), changed_at=at(since), **fields)  # type: ignore[arg-type]


def run(
    figures: Mapping[str, Figures],
    *,
    seconds: int,
    fallback_usable: bool = False,
    providers: Mapping[str, ProviderStanding] | None = None,
    before: ChannelStanding | None = None,
    weights: Mapping[str, float] | None = None,
) -> tuple[list[tuple[int, str, float]], Verdict]:
    """Decides each second; returns when the channel changed into what, and the last verdict."""
    now_providers = providers or {name: healthy() for name in figures}
    changes = []
    verdict = None
    for second in range(seconds):
        verdict = judge(
            figures, now_providers, now=second, channel=before, weights=weights, fallback_usable=fallback_usable
        )
        before, now_providers = verdict.channel, verdict.providers
        changes += [(second, one.after, one.share_after) for one in verdict.transitions if one.target == "channel:sms"]
    assert verdict is not None
    return changes, verdict


def test_one_bad_provider_among_good_ones_is_no_matter_for_the_channel() -> None:
    assert run({"a": BROWN, "b": WELL}, seconds=60)[0] == []


def test_when_all_are_bad_nothing_is_shuffled_and_bulk_is_held() -> None:
    changes, verdict = run({"a": BROWN, "b": BROWN}, seconds=60)

    assert changes == [(0, "shedding", 0.0)]
    assert [one.share for one in verdict.providers.values()] == [1.0, 1.0]
    assert verdict.channel.reason.startswith("no provider is well (a degraded: 30% errors")


def test_a_provider_that_fails_often_is_kept_while_no_other_is_well() -> None:
    verdict = judge({"a": BAD, "b": BROWN}, {"a": healthy(), "b": healthy()})

    assert [one.state for one in verdict.providers.values()] == ["degraded", "degraded"]


def test_the_only_provider_is_kept_while_anything_gets_through_and_opened_when_nothing_does() -> None:
    assert judge({"a": BAD}, {"a": healthy()}).providers["a"].state == "degraded"
    assert judge({"a": DEAD}, {"a": healthy()}).providers["a"].state == "open"


def test_with_a_usable_fallback_more_and_more_goes_there() -> None:
    changes, _verdict = run({"a": BROWN, "b": BROWN}, seconds=60, fallback_usable=True)

    assert changes == [
        (0, "shedding", 0.0),
        (5, "switched", 0.6),
        (10, "switched", 0.3),
        (15, "switched", 0.1),
        (20, "switched", 0.0),
    ]


@pytest.mark.parametrize(("fallback_usable", "state"), [(True, "switched"), (False, "paused")])
def test_when_nobody_carries_anything_the_channel_does_not_go_by_steps(fallback_usable: bool, state: str) -> None:
    changes, _verdict = run({"a": DEAD, "b": DEAD}, seconds=1, fallback_usable=fallback_usable)

    assert changes == [(0, state, 0.0)]


def test_a_fallback_that_fails_too_pauses_the_channel_and_one_that_is_back_ends_the_pause() -> None:
    dead = standing(ProviderState.OPEN, 0.0, -5, next_probe_at=at(500), probed_at=at(0), probes_needed=3)
    before = channel(ChannelState.SWITCHED, 0.0, -100)
    paused = judge({"a": DEAD}, {"a": dead}, channel=before).channel
    assert paused.state == "paused"

    assert judge({"a": DEAD}, {"a": dead}, channel=paused, now=1, fallback_usable=True).channel.state == "switched"


def test_a_paused_channel_comes_back_by_steps() -> None:
    providers = {"a": standing(ProviderState.RECOVERING, 0.1, 0)}
    changes, _verdict = run(
        {"a": WELL}, seconds=60, providers=providers, before=channel(ChannelState.PAUSED, 0.0, -600)
    )

    assert changes == [
        (0, "paused", 0.1),
        (5, "paused", 0.3),
        (10, "paused", 0.6),
        (15, "shedding", 0.1),
        (20, "shedding", 0.3),
        (25, "shedding", 0.6),
        (30, "normal", 1.0),
    ]


def test_a_paused_channel_whose_provider_carries_again_though_badly_lets_through_what_it_can() -> None:
    before = channel(ChannelState.PAUSED, 0.0, -600)
    verdict = judge({"a": BROWN}, {"a": standing(ProviderState.RECOVERING, 0.1, -5)}, channel=before)

    assert (verdict.channel.state, verdict.channel.share) == ("shedding", 0.0)


def test_each_relapse_of_a_channel_makes_its_next_return_slower() -> None:
    rising = channel(ChannelState.SWITCHED, 0.3, -60, rising=True, relapses=1)
    providers = {"a": standing(ProviderState.DEGRADED, 0.3, -3), "b": healthy()}
    after = judge({"a": BROWN, "b": BROWN}, providers, channel=rising, fallback_usable=True).channel

    assert (after.share, after.relapses, after.hold_s) == (0.1, 2, 60.0)


def test_falling_on_and_on_is_one_fault_and_no_relapse() -> None:
    _changes, verdict = run({"a": BROWN, "b": BROWN}, seconds=60, fallback_usable=True)

    assert verdict.channel.relapses == 0


def test_providers_that_were_just_found_bad_are_not_well_because_their_figures_begin_anew() -> None:
    providers = {name: standing(ProviderState.DEGRADED, 1.0, 0, tripped_at=at(0)) for name in ("a", "b")}
    before = channel(ChannelState.SHEDDING, 0.0, 0)
    changes, _verdict = run({"a": NOTHING, "b": NOTHING}, seconds=29, providers=providers, before=before)

    assert changes == []


def test_the_backup_takes_over_bulk_by_steps() -> None:
    changes, _verdict = run({"a": DEAD, "b": WELL}, seconds=30, weights={"a": 70, "b": 30})

    assert changes == [
        (0, "shedding", 0.0),
        (5, "shedding", 0.1),
        (10, "shedding", 0.3),
        (15, "shedding", 0.6),
        (20, "normal", 1.0),
    ]


def test_a_big_backup_needs_no_such_care() -> None:
    verdict = judge({"a": DEAD, "b": WELL}, {}, weights={"a": 30, "b": 70})

    assert verdict.channel.state == "normal"


FLOWING = replace(WELL, successes=1200, tries=1200)  # 20 a second for a minute


def test_what_was_held_comes_back_at_what_the_channel_got_through_before_the_fault() -> None:
    _changes, held = run({"a": replace(BROWN, successes=840, provider_faults=360), "b": BROWN}, seconds=30)
    _changes, back = run({"a": WELL, "b": WELL}, seconds=600, before=held.channel)

    assert held.channel.pace == pytest.approx((840 + 140) / 60)
    assert (back.channel.state, back.channel.pace) == ("normal", held.channel.pace)


def test_a_channel_that_had_little_to_send_is_given_a_least_pace() -> None:
    assert judge({"a": BROWN, "b": BROWN}, {}).channel.pace == DEFAULTS.escalation.least_pace


def test_soon_after_a_return_the_pace_of_the_last_time_is_remembered() -> None:
    before = channel(ChannelState.NORMAL, 1.0, -60, pace=50.0)
    assert judge({"a": BROWN, "b": BROWN}, {}, channel=before).channel.pace == 50.0
    long_ago = channel(ChannelState.NORMAL, 1.0, -60, pace=50.0, tripped_at=None)
    assert judge({"a": BROWN, "b": BROWN}, {}, channel=long_ago).channel.pace == DEFAULTS.escalation.least_pace


def test_while_anything_is_held_the_pace_stands_whatever_flows() -> None:
    before = channel(ChannelState.SHEDDING, 0.3, -60, pace=12.0)
    assert judge({"a": replace(FLOWING, provider_faults=400), "b": BROWN}, {}, channel=before).channel.pace == 12.0


@pytest.mark.parametrize(
    ("held_s", "doubles_s"), [(300, 300.0), (10, DEFAULTS.window_s), (7200, DEFAULTS.flap.forget_s)]
)
def test_the_pace_doubles_in_as_long_as_the_fault_was(held_s: int, doubles_s: float) -> None:
    before = channel(ChannelState.SHEDDING, 0.6, -30, tripped_at=at(-held_s), pace=12.0, rising=True)
    after = judge({"a": WELL}, {}, channel=before).channel

    assert (after.state, after.pace_doubles_s) == ("normal", doubles_s)
    assert after.reason.endswith(f"all is back; bulk at up to 12/s, twice that each {doubles_s:.0f} s")


def test_a_channel_without_providers_is_a_normal_one_and_says_why_nothing_goes() -> None:
    verdict = judge({}, {"a": healthy()}, channel=channel(ChannelState.PAUSED, 0.0, -60))

    assert (verdict.channel.state, verdict.channel.reason) == ("normal", "no provider is enabled")
    assert judge({}, {}, channel=verdict.channel, now=1).transitions == ()
