"""When a provider is cut, opened and brought back, and by which figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from channels.degradation.judgement import spans
from channels.degradation.standing import ProviderState
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.figures import Figures
from tests.channels.degradation.situations import BAD, BROWN, DEAD, NOTHING, WELL, at, healthy, judge, standing

SLOW = Figures(tries=100, successes=100, p95_ms=2500)
VERY_SLOW = Figures(tries=100, successes=100, p95_ms=6000)
SILENT = Figures(in_flight=12, silent_s=6)
UNREPORTED = Figures(tries=100, successes=100, receipts_due=80, receipts_late=40)


@pytest.mark.parametrize(
    ("figures", "state", "share"),
    [
        (WELL, "healthy", 1.0),
        (NOTHING, "healthy", 1.0),
        (BROWN, "degraded", 0.6),
        (BAD, "open", 0.0),
        (DEAD, "open", 0.0),
        (SLOW, "degraded", 0.6),
        (VERY_SLOW, "open", 0.0),
        (SILENT, "open", 0.0),
        (UNREPORTED, "degraded", 0.6),
    ],
    ids=["well", "idle", "brown", "bad", "dead", "slow", "very slow", "silent", "without receipts"],
)
def test_a_healthy_provider_goes_where_its_figures_say(figures: Figures, state: str, share: float) -> None:
    verdict = judge({"a": figures, "b": WELL}, {"a": healthy(), "b": healthy()})

    assert (verdict.providers["a"].state, verdict.providers["a"].share) == (state, share)
    assert verdict.providers["b"] == healthy()


@pytest.mark.parametrize(
    "figures",
    [
        Figures(tries=500, successes=100, recipient_faults=400),
        Figures(tries=500, successes=100, throttled=400),
        Figures(tries=500, recipient_faults=250, throttled=250),
    ],
)
def test_recipients_faults_and_throttling_say_nothing_of_a_provider(figures: Figures) -> None:
    verdict = judge({"a": figures, "b": WELL}, {"a": healthy(), "b": healthy()})

    assert verdict.transitions == ()


@pytest.mark.parametrize(
    "figures",
    [
        Figures(tries=19, provider_faults=19),
        Figures(tries=20, successes=16, provider_faults=4),
        Figures(tries=19, successes=19, p95_ms=60_000),
        Figures(in_flight=4, silent_s=60),
        Figures(tries=30, successes=30, receipts_due=19, receipts_late=19),
    ],
    ids=["few samples", "few faults", "few latencies", "few under way", "few receipts"],
)
def test_too_little_evidence_changes_nothing(figures: Figures) -> None:
    assert judge({"a": figures, "b": WELL}, {"a": healthy(), "b": healthy()}).transitions == ()


def test_a_policy_that_asks_for_fewer_samples_than_the_least_faults_is_met_by_its_own_number() -> None:
    verdict = judge(
        {"a": Figures(tries=3, provider_faults=3), "b": WELL},
        {"a": healthy(), "b": healthy()},
        thresholds=Thresholds.parse({"min_samples": 3}),
    )

    assert verdict.providers["a"].state == "open"


def test_the_reason_has_the_figures_that_led_to_it() -> None:
    figures = Figures(tries=412, successes=161, provider_faults=251)
    (change,) = judge({"a": figures, "b": WELL}, {"a": healthy(), "b": healthy()}).transitions

    assert (change.target, change.before, change.after) == ("provider:a", "healthy", "open")
    assert change.reason == "61% errors over 60 s, 412 samples"
    assert change.figures == figures


def test_shares_are_cut_step_by_step_and_never_faster_than_the_hold() -> None:
    providers, shares = {"a": healthy(), "b": healthy()}, []
    for second in range(60):
        verdict = judge({"a": BROWN, "b": WELL}, providers, now=second)
        providers = dict(verdict.providers)
        shares += [(second, change.share_after) for change in verdict.transitions if change.target == "provider:a"]

    assert shares == [(0, 0.6), (10, 0.3), (20, 0.1), (30, 0.03)]


def test_between_the_thresholds_of_leaving_and_entering_nothing_moves() -> None:
    between = Figures(tries=100, successes=93, provider_faults=7)
    for before in (
        healthy(),
        standing(ProviderState.DEGRADED, 0.3, -300),
        standing(ProviderState.RECOVERING, 0.3, -300),
    ):
        assert judge({"a": between, "b": WELL}, {"a": before, "b": healthy()}).providers["a"] == before


def test_a_cut_share_comes_back_only_after_the_cool_down() -> None:
    before = standing(ProviderState.DEGRADED, 0.3, 0)

    assert judge({"a": WELL, "b": WELL}, {"a": before}, now=29).providers["a"] == before
    after = judge({"a": WELL, "b": WELL}, {"a": before}, now=30).providers["a"]
    assert (after.state, after.share) == ("recovering", 0.6)


def test_with_little_traffic_the_way_back_takes_twice_as_long() -> None:
    before = standing(ProviderState.DEGRADED, 0.3, 0)

    assert judge({"a": NOTHING, "b": WELL}, {"a": before}, now=59).providers["a"] == before
    assert judge({"a": NOTHING, "b": WELL}, {"a": before}, now=60).providers["a"].share == 0.6


def test_the_ramp_ends_in_health() -> None:
    before = standing(ProviderState.RECOVERING, 0.6, 0)

    assert judge({"a": WELL, "b": WELL}, {"a": before}, now=29).providers["a"] == before
    after = judge({"a": WELL, "b": WELL}, {"a": before}, now=30).providers["a"]
    assert (after.state, after.share) == ("healthy", 1.0)


def test_a_relapse_lengthens_the_next_wait_up_to_the_cap() -> None:
    waits = []
    for relapses in range(8):
        before = standing(ProviderState.RECOVERING, 0.1, -10, relapses=relapses, tripped_at=at(-100))
        after = judge({"a": BAD, "b": WELL}, {"a": before}).providers["a"]
        assert after.relapses == relapses + 1
        assert after.next_probe_at is not None
        waits.append((after.next_probe_at - at(0)).total_seconds())

    assert waits == [20, 40, 80, 160, 300, 300, 300, 300]


def test_a_fault_long_after_the_last_one_is_no_relapse() -> None:
    ago = healthy(since=-601, relapses=3, tripped_at=at(-2000))
    forgiven = judge({"a": WELL, "b": WELL}, {"a": ago}).providers["a"]

    assert (forgiven.relapses, forgiven.tripped_at) == (0, None)
    assert judge({"a": BAD, "b": WELL}, {"a": forgiven}, now=1).providers["a"].relapses == 0


def test_getting_worse_is_no_relapse() -> None:
    before = standing(ProviderState.DEGRADED, 0.6, -10, tripped_at=at(-10))

    assert judge({"a": BAD, "b": WELL}, {"a": before}).providers["a"].relapses == 0


def test_missing_receipts_never_open_a_provider_but_cut_it_to_the_floor() -> None:
    providers = {"a": healthy(), "b": healthy()}
    for second in range(300):
        providers = dict(judge({"a": UNREPORTED, "b": WELL}, providers, now=second).providers)

    assert (providers["a"].state, providers["a"].share) == ("degraded", 0.03)


def test_what_a_good_minute_dilutes_is_seen_in_the_short_window() -> None:
    from channels.degradation.policy import Subject, decide

    diluted = Figures(tries=840, successes=780, provider_faults=60)  # 7%
    verdict = decide(
        channel="sms",
        standing=None,
        providers={"a": healthy(), "b": healthy()},
        subjects=[
            Subject(name="a", weight=70, figures=diluted, recent=replace(BROWN, window_s=10.0)),
            Subject(name="b", weight=30, figures=WELL, recent=WELL),
        ],
        now=at(0),
    )

    assert verdict.providers["a"].reason == "30% errors over 10 s, 200 samples, p95 300 ms; share cut to 60%"


def test_figures_are_read_no_further_back_than_the_last_change() -> None:
    assert spans(standing=None, thresholds=DEFAULTS, now=at(0)) == (60, 10)
    assert spans(standing=healthy(), thresholds=DEFAULTS, now=at(0)) == (60, 10)
    assert spans(standing=standing(ProviderState.DEGRADED, 0.3, 0), thresholds=DEFAULTS, now=at(7)) == (7, 7)
    assert spans(standing=standing(ProviderState.DEGRADED, 0.3, 0), thresholds=DEFAULTS, now=at(0)) == (1, 1)


def test_a_provider_that_is_switched_off_carries_nothing_and_comes_back_whole() -> None:
    off = judge({"a": WELL, "b": WELL}, {"a": healthy(), "b": healthy()}, enabled={"a": False})
    assert (off.providers["a"].state, off.providers["a"].share) == ("disabled", 0.0)
    assert judge({"a": WELL, "b": WELL}, off.providers, enabled={"a": False}, now=5).transitions == ()

    on = judge({"a": WELL, "b": WELL}, off.providers, now=9)
    assert (on.providers["a"].state, on.providers["a"].share) == ("healthy", 1.0)


def test_a_new_provider_is_healthy_and_a_removed_one_is_forgotten() -> None:
    verdict = judge({"b": WELL, "c": WELL}, {"a": healthy(), "b": healthy()})

    assert set(verdict.providers) == {"b", "c"}
    assert verdict.providers["c"].state == "healthy"
    assert verdict.transitions == ()
