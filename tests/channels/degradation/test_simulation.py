"""What holds in any weather, tried in the simulation and on figures that are pure noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.simulation import contest, report
from bench.simulation.contest import CONTESTANTS, OURS, Setting
from bench.simulation.contestants import Goutong
from bench.simulation.ledger import Ledger
from bench.simulation.messages import Group
from bench.simulation.providers import Providers
from bench.simulation.score import Score
from bench.simulation.weather import FALLING, FINE, LIBRARY, OUT, Condition, Weather
from bench.simulation.world import FAULT_AT, Dispatch, World
from channels.degradation.policy import Subject, decide
from channels.degradation.standing import ChannelStanding, ProviderStanding, ProviderState, Transition
from channels.degradation.thresholds import DEFAULTS
from channels.degradation.weights import effective_weights
from channels.figures import Figures
from tests.channels.degradation.situations import T0

#: One process plays each weather once, for all that is asked of it.
pytestmark = pytest.mark.xdist_group("simulation")
BACK_WITHIN_S = 3600

conditions = st.builds(
    Condition,
    refuses=st.sampled_from([0.005, 0.05, 0.12, 0.3, 0.6, 1.0]),
    hangs=st.sampled_from([0.0, 0.1, 0.4]),
    latency_s=st.sampled_from([0.3, 1.5, 3.0, 7.0]),
)
courses = st.lists(st.tuples(st.integers(5, 120), conditions), min_size=1, max_size=5)


def weather(a: Sequence[tuple[int, Condition]], b: Sequence[tuple[int, Condition]], capacity: float) -> Weather:
    """Each provider goes through its list, and is well at the end of it."""

    def course(parts: Sequence[tuple[int, Condition]]):  # type: ignore[no-untyped-def]
        seconds = [condition for lasts_s, condition in parts for _ in range(lasts_s)]
        return lambda second: seconds[second] if second < len(seconds) else FINE

    lasts_s = max(sum(part[0] for part in parts) for parts in (a, b))
    return Weather("generated", lasts_s, course(a), course(b), b_capacity=capacity)


def play(here: Weather, *, seed: int, after_s: int) -> tuple[Goutong, list[Transition], World]:
    ledgers = [Ledger(), Ledger()]
    transitions: list[Transition] = []
    player = Goutong((70, 30), ledgers, watch=transitions.append)

    def watch(_t: int, world: World) -> None:
        carrying = [one.carries for one in player.standings.values()]
        assert sum(world.contestant.weights) == pytest.approx(100 if any(carrying) else 0)
        for weight, carries in zip(world.contestant.weights, carrying, strict=True):
            assert weight == 0 or carries

    world = World(here, player, ledgers, seed, FAULT_AT + here.lasts_s + after_s, watch=watch)
    world.run()
    return player, transitions, world


def rises_too_soon(transitions: Sequence[Transition]) -> list[Transition]:
    """Shares that rose within the cool-down of a cut, or within the least time of the probes of an opening."""
    fell: dict[str, Transition] = {}
    found = []
    for one in transitions:
        if one.share_after < one.share_before:
            fell[one.target] = one
        elif one.share_after > one.share_before and one.target.startswith("provider:"):
            last = fell.get(one.target)
            probed = last is not None and last.after == ProviderState.OPEN
            # Two probes a second apart where nobody else is well: there is nothing that flapping could hurt.
            least_s = DEFAULTS.probe.alone_interval_s if probed else DEFAULTS.cooldown_s
            if last is not None and one.at - last.at < timedelta(seconds=least_s):
                found.append(one)
    return found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(a=courses, b=courses, capacity=st.sampled_from([0.5, 1.0, 2.0]), seed=st.integers(0, 2**16))
def test_in_any_weather_weights_are_right_nothing_flaps_and_all_is_back_at_rest_in_the_end(
    a: list[tuple[int, Condition]], b: list[tuple[int, Condition]], capacity: float, seed: int
) -> None:
    player, transitions, world = play(weather(a, b, capacity), seed=seed, after_s=BACK_WITHIN_S)

    assert rises_too_soon(transitions) == []
    assert [(one.state, one.share) for one in player.standings.values()] == [("healthy", 1.0)] * 2
    assert (player.channel.state, player.channel.share) == ("normal", 1.0)
    assert world.score.on_time + world.score.late == world.score.accepted


@pytest.mark.parametrize("name", ["brown-out 30%", "regional failure"])
def test_a_share_is_cut_by_one_step_at_a_time(name: str) -> None:
    _player, transitions, _world = play(LIBRARY[name], seed=3, after_s=0)
    cuts = [one for one in transitions if one.target == "provider:a" and one.after == ProviderState.DEGRADED]

    assert cuts
    for one in cuts:
        assert one.share_after in {one.share_before, DEFAULTS.ramp.below(one.share_before)}


def test_a_dead_provider_costs_a_batch_and_not_a_period() -> None:
    _player, transitions, world = play(LIBRARY["clean outage"], seed=1, after_s=0)
    opening = next(one for one in transitions if one.target == "provider:a")

    assert opening.after == ProviderState.OPEN
    assert world.score.wasted < 60  # of 8,400 that A would have had


def test_a_provider_that_flaps_each_twenty_seconds_stays_open_until_it_no_longer_does() -> None:
    here = LIBRARY["flapping each 20 s"]
    _player, transitions, _world = play(here, seed=1, after_s=600)
    returns = [one for one in transitions if one.target == "provider:a" and one.share_after > one.share_before]
    begin = min(one.at for one in transitions)

    assert all(one.at > begin + timedelta(seconds=here.lasts_s - 60) for one in returns)


#: Where what got no answer is not sent again before its report should have come.
REPORTED = Setting(dispatch=Dispatch(report_within_s=10))


@cache
def scores(name: str, setting: Setting = Setting()) -> dict[str, Score]:  # noqa: B008 - frozen
    return {
        contestant: contest.run(
            weather=LIBRARY[name], contestant=contestant, seed=2, setting=setting, after_s=300
        ).score
        for contestant in CONTESTANTS
    }


@pytest.mark.parametrize("name", LIBRARY)
def test_we_are_late_with_no_more_messages_than_any_rival(name: str) -> None:
    late = {contestant: score.late for contestant, score in scores(name).items()}

    assert late[OURS] <= min(late.values()) + 2


#: Where whoever sends at all tells somebody twice, and the breaker sends nothing: docs/degradation.md says so.
@pytest.mark.parametrize("name", [one for one in LIBRARY if one != "both half dead"])
def test_we_double_no_more_messages_than_any_rival(name: str) -> None:
    doubled = {contestant: score.duplicates for contestant, score in scores(name).items()}

    assert doubled[OURS] <= min(doubled.values()) + 4  # within the noise of one run


@pytest.mark.parametrize("name", ["both half dead", "both dead"])
def test_where_reports_are_waited_for_we_are_no_worse_at_anything(name: str) -> None:
    found = scores(name, REPORTED)

    assert found[OURS].late <= min(one.late for one in found.values()) + 4  # within the noise of one run
    assert found[OURS].duplicates <= min(one.duplicates for one in found.values()) + 2
    assert found[OURS].overload <= min(one.overload for one in found.values())


@pytest.mark.parametrize("name", LIBRARY)
def test_we_overload_the_backup_no_more_than_the_best_of_the_rivals(name: str) -> None:
    overload = {contestant: score.overload for contestant, score in scores(name).items()}

    assert overload[OURS] <= min(overload.values())


def hung(*, condition: Condition) -> tuple[Providers, Group]:
    """Messages that A has sent, and has given no answer about, in second 100."""
    providers = Providers(ledgers=[Ledger()], capacities=[40.0], rng=random.Random(1))
    providers.begin([condition], t=100, stride=1)
    (ghost, *_rest) = providers.send(0, Group(kind=2, born=100), 20, t=100, tried=0, probe=False)
    assert ghost.answer.group.ghost
    return providers, ghost.answer.group


def test_what_was_sent_without_an_answer_is_known_to_have_been_when_it_is_reported() -> None:
    providers, group = hung(condition=replace(FINE, hangs=1.0, refuses=0.0))
    heard = []
    for t in (101, 109, 110):
        providers.begin([FINE], t=t, stride=1)
        heard.append(providers.has_reported(group))

    assert heard == [False, False, True]
    assert not providers.has_reported(group._replace(ghost=False))


def test_a_dead_provider_reports_nothing_before_it_is_up_again() -> None:
    providers, group = hung(condition=replace(FALLING, hangs=1.0, refuses=0.0))
    providers.begin([OUT], t=500, stride=1)
    assert not providers.has_reported(group)
    providers.begin([FINE], t=501, stride=1)
    assert providers.has_reported(group)


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = (
        contest.run(weather=LIBRARY["brown-out 30%"], contestant=OURS, seed=5, setting=Setting(), after_s=60)
        for _ in range(2)
    )

    assert one == other


def test_the_report_says_where_a_rival_is_better() -> None:
    entries = [
        contest.run(weather=here, contestant=name, seed=1, setting=Setting(), after_s=0)
        for here in (Weather("clean outage", 5, lambda _second: FINE, lambda _second: FINE),)
        for name in CONTESTANTS
    ]
    entries[0].score.duplicates = 7
    rows = [row for row in contest.rows([*entries, *_others(entries)]) if row.weather == "clean outage"]

    said = "clean outage: plain retry has 0 duplicates, we have 7 (less in 1 of 1 runs, more in 0)."
    assert said in report.shortfalls(_all(entries))
    assert rows[0].duplicates == 7


def _others(entries: list[contest.Entry]) -> list[contest.Entry]:
    return [
        contest.Entry(weather=name, contestant=one.contestant, seed=1, score=one.score, shares=())
        for name in LIBRARY
        if name != "clean outage"
        for one in entries
    ]


def _all(entries: list[contest.Entry]) -> list[contest.Entry]:
    return [*entries, *_others(entries)]


# --- noise ------------------------------------------------------------------------------------------------------------

noise = st.builds(
    lambda ok, bad, p95, due, late: Figures(
        tries=ok + bad, successes=ok, provider_faults=bad, p95_ms=p95, receipts_due=due, receipts_late=min(late, due)
    ),
    ok=st.integers(0, 100),
    bad=st.integers(0, 100),
    p95=st.sampled_from([None, 200.0, 1700.0, 3000.0, 9000.0]),
    due=st.integers(0, 60),
    late=st.integers(0, 60),
)
providers = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e"]), st.tuples(st.integers(0, 100), st.booleans(), noise), max_size=5
)


@settings(max_examples=60, deadline=None)
@given(seconds=st.lists(st.tuples(providers, st.booleans(), st.integers(1, 40)), min_size=1, max_size=40))
def test_whatever_the_figures_and_whoever_comes_and_goes_the_invariants_hold(
    seconds: list[tuple[dict[str, tuple[int, bool, Figures]], bool, int]],
) -> None:
    channel: ChannelStanding | None = None
    standings: dict[str, ProviderStanding] = {"a": ProviderStanding.healthy(now=T0)}
    transitions: list[Transition] = []
    now = T0
    for seen, fallback_usable, later in seconds:
        now += timedelta(seconds=later)
        subjects = [
            Subject(name=name, weight=weight, enabled=enabled, figures=figures)
            for name, (weight, enabled, figures) in seen.items()
        ]
        verdict = decide(
            channel="sms",
            standing=channel,
            providers=standings,
            subjects=subjects,
            now=now,
            fallback_usable=fallback_usable,
        )
        channel, standings = verdict.channel, dict(verdict.providers)
        transitions = [
            *(one for one in transitions if one.target.partition(":")[2] in seen),
            *(one for one in verdict.transitions if "disabled" not in {one.before, one.after}),
        ]
        assert set(standings) == set(seen)
        configured = {name: float(weight) for name, (weight, _enabled, _figures) in seen.items()}
        weights = effective_weights(standings=standings, configured=configured)
        carrying = [name for name, one in standings.items() if one.carries]
        assert all(weights[name] == 0 for name in seen if name not in carrying)
        assert bool(carrying) == any(weights.values())
        assert 0 <= channel.share <= 1
    assert [one for one in rises_too_soon(transitions) if one.before == ProviderState.DEGRADED] == []
