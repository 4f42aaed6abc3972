"""How a run goes on, in every order of events: pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_portal.plans import progress
from admin_portal.plans.conditions import Comparison, Condition, Metric, Observations
from admin_portal.plans.progress import Move, MoveKind, Phase, Progress, RunEnd, StepState, Why
from admin_portal.plans.steps import Otherwise, Step, StepKind
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.errors import MoveRefused

T0 = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
KEY = (Metric.DEPTH, "channel:email")
SHALLOW = Condition(metric=Metric.DEPTH, target="channel:email", comparison=Comparison.BELOW, value=5000.0)
DO = Step(kind=StepKind.DO, action=Action(kind=Kind.SHED_BULK, target="channel:email"))
DO_TOO = Step(kind=StepKind.DO, action=Action(kind=Kind.SHED_BULK, target="channel:sms"))
ASK = Step(kind=StepKind.ASK, words="Well?")
PAUSES = Step(kind=StepKind.WAIT, at_most_s=60)


def wait(otherwise: Otherwise = Otherwise.GO_ON) -> Step:
    return Step(kind=StepKind.WAIT, condition=SHALLOW, at_most_s=120, otherwise=otherwise)


def check(otherwise: Otherwise) -> Step:
    return Step(kind=StepKind.CHECK, condition=SHALLOW, otherwise=otherwise)


def start(*steps: Step) -> Progress:
    return Progress.start(steps, ends_at=T0 + timedelta(hours=1))


def settle(run: Progress, *, depth: float | None = 9000.0, now: datetime = T0) -> Progress:
    """Makes every move there is."""
    while (move := progress.next_move(run, seen={KEY: depth}, now=now)) is not None:
        run = progress.made(run, move, now=now)
    return run


def states(run: Progress) -> list[StepState]:
    return [one.state for one in run.at]


def test_actions_are_done_one_after_the_other_and_stay_in_force() -> None:
    run = settle(start(DO, DO_TOO))
    assert (run.phase, run.in_force) == (Phase.HOLDING, [0, 1])


def test_a_plan_that_leaves_nothing_in_force_is_completed() -> None:
    run = settle(start(DO, Step(kind=StepKind.UNDO, undoes=1)))
    assert (run.phase, run.end, run.in_force) == (Phase.OVER, RunEnd.COMPLETED, [])


def test_a_wait_lasts_until_its_condition_is_met() -> None:
    run = settle(start(wait(), DO))
    assert states(run) == [StepState.UNDER_WAY, StepState.WAITING]
    assert states(settle(run, depth=4999)) == [StepState.DONE, StepState.DONE]


@pytest.mark.parametrize(
    ("otherwise", "phase", "state"),
    [
        (Otherwise.GO_ON, Phase.HOLDING, StepState.DONE),
        (Otherwise.PAUSE, Phase.PAUSED, StepState.FAILED),
        (Otherwise.ABORT, Phase.OVER, StepState.FAILED),
    ],
)
def test_a_wait_that_takes_too_long_does_what_it_says(otherwise: Otherwise, phase: Phase, state: StepState) -> None:
    run = settle(start(DO, wait(otherwise)))
    run = settle(run, now=T0 + timedelta(seconds=120))
    assert (run.phase, states(run)[1]) == (phase, state)


@pytest.mark.parametrize("depth", [9000.0, None])
@pytest.mark.parametrize(
    ("otherwise", "phase"),
    [(Otherwise.GO_ON, Phase.HOLDING), (Otherwise.PAUSE, Phase.PAUSED), (Otherwise.ABORT, Phase.OVER)],
)
def test_a_check_that_fails_does_what_it_says_also_when_nobody_knows(
    depth: float | None, otherwise: Otherwise, phase: Phase
) -> None:
    assert settle(start(DO, check(otherwise)), depth=depth).phase is phase


def test_nothing_is_decided_on_what_nobody_looked_at() -> None:
    run = start(check(Otherwise.ABORT))
    assert progress.next_move(run, seen={}, now=T0) is None
    run = settle(start(wait(Otherwise.ABORT)))
    assert progress.next_move(run, seen={}, now=T0 + timedelta(seconds=121)) is None


def test_a_question_waits_for_a_person() -> None:
    run = settle(start(ASK, DO))
    assert (run.phase, run.in_force) == (Phase.PAUSED, [])
    assert settle(progress.resume(run, now=T0)).in_force == [1]


def test_an_abort_reverts_the_last_first() -> None:
    run = progress.abort(settle(start(DO, PAUSES, DO_TOO, ASK), now=T0))
    run = settle(start(DO, DO_TOO, ASK))
    run = progress.abort(run)
    reverted = []
    while (move := progress.next_move(run, seen={}, now=T0)) is not None:
        reverted += [move.position] if move.kind is MoveKind.REVERT else []
        run = progress.made(run, move, now=T0)
    assert (reverted, run.phase, run.end) == ([1, 0], Phase.OVER, RunEnd.ABORTED)


def test_what_is_paused_does_nothing_and_its_waits_stand_still() -> None:
    run = progress.pause(settle(start(PAUSES, DO)), now=T0 + timedelta(seconds=50))
    assert settle(run, now=T0 + timedelta(minutes=30)) == run
    run = progress.resume(run, now=T0 + timedelta(minutes=30))
    assert settle(run, now=T0 + timedelta(minutes=30, seconds=9)).in_force == []
    assert settle(run, now=T0 + timedelta(minutes=30, seconds=10)).in_force == [1]


def test_a_step_that_failed_is_tried_again_when_the_run_is_resumed() -> None:
    run = progress.failed(start(DO), 0, now=T0)
    assert settle(run) == run
    assert settle(progress.resume(run, now=T0)).in_force == [0]


def test_a_step_that_failed_can_be_skipped() -> None:
    run = progress.skip(progress.failed(start(DO, DO_TOO), 0, now=T0), now=T0)
    assert states(settle(run)) == [StepState.SKIPPED, StepState.DONE]


def test_a_run_ends_with_its_time_whatever_it_was_doing() -> None:
    for run in (start(DO, ASK), progress.pause(start(DO), now=T0), settle(start(DO))):
        over = settle(run, now=T0 + timedelta(hours=1))
        assert (over.phase, over.end, over.in_force) == (Phase.OVER, RunEnd.EXPIRED, [])


def test_a_lost_target_pauses_what_was_going_on() -> None:
    run = progress.lost(settle(start(DO, wait())), 0, now=T0)
    assert (run.phase, run.in_force, states(run)[0]) == (Phase.PAUSED, [], StepState.LOST)


def test_a_run_that_holds_nothing_any_more_is_over() -> None:
    assert settle(progress.lost(settle(start(DO)), 0, now=T0)).end is RunEnd.COMPLETED


@pytest.mark.parametrize(
    ("verb", "refused_in"),
    [
        (lambda run: progress.pause(run, now=T0), {Phase.PAUSED, Phase.HOLDING, Phase.REVERTING, Phase.OVER}),
        (lambda run: progress.resume(run, now=T0), {Phase.RUNNING, Phase.HOLDING, Phase.REVERTING, Phase.OVER}),
        (lambda run: progress.skip(run, now=T0), {Phase.HOLDING, Phase.REVERTING, Phase.OVER}),
        (progress.abort, {Phase.REVERTING, Phase.OVER}),
    ],
)
def test_each_verb_is_refused_where_it_makes_no_sense(
    verb: Callable[[Progress], Progress], refused_in: set[Phase]
) -> None:
    holding = settle(start(DO))
    runs = {
        Phase.RUNNING: start(DO),
        Phase.PAUSED: progress.pause(start(DO), now=T0),
        Phase.HOLDING: holding,
        Phase.REVERTING: progress.abort(holding),
        Phase.OVER: settle(progress.abort(holding)),
    }
    for phase, run in runs.items():
        if phase in refused_in:
            with pytest.raises(MoveRefused):
                verb(run)
        else:
            verb(run)


# --- any order of events ----------------------------------------------------------------------------------------------

_STEPS = st.lists(
    st.sampled_from([DO, DO_TOO, ASK, PAUSES, wait(Otherwise.PAUSE), wait(), check(Otherwise.ABORT)]),
    min_size=1,
    max_size=6,
)
_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from([None, 100.0, 9000.0]), st.integers(0, 900)),
        st.tuples(st.sampled_from(["pause", "resume", "skip", "abort", "fail", "lose"]), st.none(), st.integers(0, 60)),
    ),
    max_size=60,
)


class _World:
    """What is in force, as pins are: put and ended with the move that says so."""

    def __init__(self) -> None:
        self.pins: list[int] = []

    def act(self, before: Progress, move: Move) -> None:
        if move.kind is MoveKind.APPLY:
            assert move.position is not None
            assert move.position not in self.pins
            self.pins.append(move.position)
        elif move.kind is MoveKind.REVERT:
            assert move.position is not None
            assert move.position == max(self.pins), "the last first"
            self.pins.remove(move.position)
        elif move.kind is MoveKind.END:
            self.pins.clear()


def _make(run: Progress, world: _World, seen: Observations, now: datetime) -> Progress:
    move = progress.next_move(run, seen=seen, now=now)
    if move is None:
        return run
    world.act(run, move)
    return progress.made(run, move, now=now)


def _happen(run: Progress, world: _World, name: str, now: datetime) -> Progress:
    if name == "fail" and run.phase is Phase.RUNNING and run.current is not None:
        return progress.failed(run, run.current, now=now)
    if name == "lose" and run.in_force and run.phase is not Phase.OVER:
        world.pins.remove(run.in_force[0])
        return progress.lost(run, run.in_force[0], now=now)
    verbs: dict[str, Callable[[Progress], Progress]] = {
        "pause": lambda run: progress.pause(run, now=now),
        "resume": lambda run: progress.resume(run, now=now),
        "skip": lambda run: progress.skip(run, now=now),
        "abort": progress.abort,
    }
    try:
        return verbs[name](run) if name in verbs else run
    except MoveRefused:
        return run


@given(steps=_STEPS, events=_EVENTS)
def test_what_a_run_says_is_in_force_is_what_is_and_an_aborted_run_leaves_nothing(
    steps: list[Step], events: list[tuple[str, float | None, int]]
) -> None:
    run, world, now, aborted = start(*steps), _World(), T0, False
    for name, depth, seconds in events:
        now += timedelta(seconds=seconds)
        aborted = aborted or (name == "abort" and run.phase is not Phase.OVER)
        run = _make(run, world, {KEY: depth}, now) if name == "move" else _happen(run, world, name, now)
        assert sorted(world.pins) == run.in_force
        assert not (aborted and run.phase not in {Phase.REVERTING, Phase.OVER}), "an abort is for good"
        assert not (run.phase is Phase.OVER and world.pins)
    if aborted:
        for _ in steps:
            run = _make(run, world, {KEY: None}, now)
        assert world.pins == []


@given(steps=_STEPS, events=_EVENTS)
def test_every_run_comes_to_an_end(steps: list[Step], events: list[tuple[str, float | None, int]]) -> None:
    run, world, now = start(*steps), _World(), T0
    for name, depth, seconds in events:
        now += timedelta(seconds=seconds)
        run = _make(run, world, {KEY: depth}, now) if name == "move" else _happen(run, world, name, now)
    over = settle(run, now=T0 + timedelta(days=1))
    assert over.phase is Phase.OVER
    assert over.end is not None


def test_why_a_wait_is_behind_us_is_known() -> None:
    run = settle(start(wait()))
    met = progress.next_move(run, seen={KEY: 3.0}, now=T0)
    late = progress.next_move(run, seen={KEY: 9000.0}, now=T0 + timedelta(seconds=120))
    assert (met and met.why, late and late.why) == (Why.MET, Why.TIME)
