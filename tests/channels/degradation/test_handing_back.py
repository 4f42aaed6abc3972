"""People outrank the engine: what it does about a pinned target, and how that comes back."""

from __future__ import annotations

import pytest

from channels.degradation.handing_back import Pinned, PinnedChannel
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderState
from channels.figures import Figures
from tests.channels.degradation.situations import BROWN, DEAD, NOTHING, WELL, at, healthy, judge, standing

OFF = Pinned(share=0.0, source="manual", words="disable by ann")
WHOLE = Pinned(share=1.0, source="manual", words="set_weights by ann")


def pinned_channel(state: ChannelState) -> PinnedChannel:
    stands = ChannelStanding(state=state, share=0.0, since=at(0), changed_at=at(0), reason="by ann")
    return PinnedChannel(standing=stands, source="plan")


def channel(state: ChannelState, share: float = 0.0) -> ChannelStanding:
    return ChannelStanding(state=state, share=share, since=at(-60), changed_at=at(-60), reason="nobody is well")


@pytest.mark.parametrize("figures", [WELL, BROWN, DEAD, NOTHING])
@pytest.mark.parametrize("pinned", [OFF, WHOLE])
def test_manual_pins_win_over_the_engine_whatever_the_figures_say(figures: Figures, pinned: Pinned) -> None:
    first = judge({"a": figures, "b": WELL}, {"a": healthy(), "b": healthy()}, pinned={"a": pinned})
    later = judge({"a": figures, "b": WELL}, first.providers, now=600, pinned={"a": pinned})
    assert later.providers["a"] == first.providers["a"]
    assert [one for one in later.transitions if one.target == "provider:a"] == []


@pytest.mark.parametrize("figures", [WELL, DEAD])
def test_a_pinned_channel_stays_as_a_person_has_put_it_whatever_its_providers_do(figures: Figures) -> None:
    pinned = pinned_channel(ChannelState.SHEDDING)
    first = judge({"a": figures}, {}, fallback_usable=True, pinned_channel=pinned)
    later = judge({"a": figures}, first.providers, now=600, channel=first.channel, pinned_channel=pinned)
    assert later.channel == first.channel


def test_the_begin_and_the_end_of_a_pin_are_told_with_whose_it_was() -> None:
    under = judge({"a": WELL, "b": WELL}, {"a": healthy(), "b": healthy()}, pinned={"a": OFF})
    after = judge({"a": WELL, "b": WELL}, under.providers, now=900)
    (begin,), (end,) = under.transitions, after.transitions
    assert (begin.before, begin.after, begin.share_after, begin.source) == ("healthy", "pinned", 0.0, "manual")
    assert begin.reason == "disable by ann"
    assert (end.before, end.after, end.share_after, end.source) == ("pinned", "recovering", 0.1, "manual")


def test_what_a_person_disabled_comes_back_by_the_ramp_and_not_at_once() -> None:
    verdict = judge({"a": NOTHING, "b": WELL}, {"a": healthy(), "b": healthy()}, pinned={"a": OFF})
    shares = []
    for second in range(900, 1100):
        verdict = judge({"a": WELL, "b": WELL}, verdict.providers, now=second)
        shares.append(verdict.providers["a"].share)
    assert sorted(set(shares)) == [0.1, 0.3, 0.6, 1.0]
    assert shares == sorted(shares)
    assert verdict.providers["a"].state == "healthy"


def test_before_the_engine_has_seen_the_end_of_a_pin_its_provider_stands_at_the_first_step() -> None:
    verdict = judge({"a": WELL, "b": WELL}, {"a": healthy(), "b": healthy()}, pinned={"a": OFF})
    assert (verdict.providers["a"].state, verdict.providers["a"].share) == ("recovering", 0.1)


def test_a_pin_gives_back_no_more_than_the_engine_had_left() -> None:
    cut = standing(ProviderState.DEGRADED, 0.03, -5)
    verdict = judge({"a": BROWN, "b": WELL}, {"a": cut, "b": healthy()}, pinned={"a": WHOLE})
    verdict = judge({"a": NOTHING, "b": WELL}, verdict.providers, now=600)
    assert (verdict.providers["a"].state, verdict.providers["a"].share) == ("degraded", 0.03)


def test_an_open_provider_is_still_open_when_its_pin_is_over() -> None:
    dead = standing(ProviderState.OPEN, 0.0, -5)
    verdict = judge({"a": DEAD, "b": WELL}, {"a": dead, "b": healthy()}, pinned={"a": WHOLE})
    verdict = judge({"a": NOTHING, "b": WELL}, verdict.providers, now=600)
    assert verdict.providers["a"].state == "open"


@pytest.mark.parametrize("state", [ChannelState.SHEDDING, ChannelState.SWITCHED, ChannelState.PAUSED])
def test_a_pinned_channel_comes_back_by_steps_to_normal(state: ChannelState) -> None:
    verdict = judge({"a": WELL}, {"a": healthy()}, pinned_channel=pinned_channel(state))
    assert (verdict.channel.state, verdict.channel.share) == (state, 0.1)
    seen = []
    for second in range(900, 1100):
        verdict = judge({"a": WELL}, verdict.providers, now=second, channel=verdict.channel, fallback_usable=True)
        seen.append((verdict.channel.state, verdict.channel.share))
    assert seen[0] == (state, 0.1)
    assert seen[-1] == (ChannelState.NORMAL, 1.0)


def test_a_channel_that_was_worse_off_than_its_pin_says_is_so_afterwards() -> None:
    before = channel(ChannelState.PAUSED)
    verdict = judge({"a": DEAD}, {}, channel=before, pinned_channel=pinned_channel(ChannelState.SHEDDING))
    assert verdict.channel.state is ChannelState.PAUSED


def test_a_provider_that_a_person_took_out_is_one_the_others_take_over_from() -> None:
    verdict = judge({"a": NOTHING, "b": WELL}, {}, weights={"a": 70, "b": 30}, pinned={"a": OFF})
    assert verdict.channel.state is ChannelState.SHEDDING
    assert "disable by ann" in verdict.channel.reason


def test_a_provider_that_is_switched_off_while_it_is_pinned_is_switched_off() -> None:
    under = judge({"a": WELL, "b": WELL}, {}, pinned={"a": WHOLE})
    off = judge({"a": WELL, "b": WELL}, under.providers, now=1, pinned={"a": WHOLE}, enabled={"a": False})
    assert off.providers["a"].state is ProviderState.DISABLED


def test_bulk_that_a_person_held_comes_back_at_what_flowed_when_the_order_began() -> None:
    busy = Figures(tries=1800, successes=1800, p95_ms=300.0)
    pinned = pinned_channel(ChannelState.SHEDDING)
    first = judge({"a": busy}, {}, pinned_channel=pinned)
    later = judge({"a": NOTHING}, first.providers, now=600, channel=first.channel, pinned_channel=pinned)
    after = judge({"a": NOTHING}, later.providers, now=601, channel=later.channel)
    assert (after.channel.state, after.channel.share, after.channel.pace) == ("shedding", 0.1, 30.0)
