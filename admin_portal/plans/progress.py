"""How a run of a plan goes on: pure.

    running ⇄ paused        a person, a question, a check that failed, a step that could not be done
    running → holding       all steps done, something in force
    any     → reverting     aborted: what is in force is taken back, the last first
    any     → over          nothing left to do, or its time is over

``next_move`` says what is to be done next, ``made`` how the run stands afterwards. A move is one transaction with its
effect: whoever is killed in between has made it or has not, and the next to look sees which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext_lazy as _

from admin_portal.models.plans import Phase as Phase
from admin_portal.models.plans import RunEnd as RunEnd
from admin_portal.models.plans import StepState as StepState
from admin_portal.plans.conditions import Observations
from admin_portal.plans.steps import Otherwise, Step, StepKind
from admin_portal.steering.errors import MoveRefused

#: Of these the run looks no further at a step.
BEHIND: Final = frozenset({StepState.DONE, StepState.SKIPPED, StepState.REVERTED, StepState.LOST})


class MoveKind(StrEnum):
    """What is done next."""

    ENTER = "enter"  # a wait or a question begins
    APPLY = "apply"  # an action takes effect
    TAKE_BACK = "take_back"  # an earlier action ends, as a step says
    PASS = "pass"  # a wait or a check is behind us  # noqa: S105  (no password)
    PAUSE = "pause"
    ABORT = "abort"
    HOLD = "hold"
    REVERT = "revert"  # an action ends, because the run is aborted
    END = "end"


class Why(StrEnum):
    """Why a move is made, for words."""

    MET = "met"
    TIME = "time"
    NOT_MET = "not_met"
    ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """``position``: of the step it is about, from 0. ``end``: how the run ends."""

    kind: MoveKind
    position: int | None = None
    why: Why | None = None
    end: RunEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """How far one step is. ``in_force``: it has changed something, and that still stands."""

    state: StepState = StepState.WAITING
    entered_at: datetime | None = None
    in_force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run in force."""

    steps: Sequence[Step]
    at: tuple[At, ...]
    ends_at: datetime
    phase: Phase = Phase.RUNNING
    paused_at: datetime | None = None
    end: RunEnd | None = None

    @classmethod
    def start(cls, steps: Sequence[Step], *, ends_at: datetime) -> Progress:
        """A run that begins."""
        return cls(steps=steps, at=tuple(At() for _step in steps), ends_at=ends_at)

    @property
    def current(self) -> int | None:
        """The position of the step whose turn it is; None: all are behind us."""
        return next((place for place, one in enumerate(self.at) if one.state not in BEHIND), None)

    @property
    def in_force(self) -> list[int]:
        """The positions whose effect stands."""
        return [place for place, one in enumerate(self.at) if one.in_force]

    def with_step(self, position: int, at: At) -> Progress:
        """The same with one step elsewhere."""
        return replace(self, at=(*self.at[:position], at, *self.at[position + 1 :]))


# --- what comes next --------------------------------------------------------------------------------------------------


def next_move(run: Progress, *, seen: Observations, now: datetime) -> Move | None:
    """What is to be done now; None: nothing, until time passes, something is observed, or a person says so."""
    if run.phase is Phase.OVER:
        return None
    if now >= run.ends_at:
        return Move(kind=MoveKind.END, end=RunEnd.ABORTED if run.phase is Phase.REVERTING else RunEnd.EXPIRED)
    if run.phase is Phase.REVERTING:
        if run.in_force:
            return Move(kind=MoveKind.REVERT, position=run.in_force[-1])
        return Move(kind=MoveKind.END, end=RunEnd.ABORTED)
    if run.phase is Phase.HOLDING:
        # Its last action may have lost its target.
        return None if run.in_force else Move(kind=MoveKind.END, end=RunEnd.COMPLETED)
    if run.phase is Phase.PAUSED:
        return None
    if run.current is None:
        return Move(kind=MoveKind.HOLD) if run.in_force else Move(kind=MoveKind.END, end=RunEnd.COMPLETED)
    return _next_of(run, run.current, seen, now)


def _next_of(run: Progress, position: int, seen: Observations, now: datetime) -> Move | None:
    step, at = run.steps[position], run.at[position]
    if step.kind is StepKind.DO:
        return Move(kind=MoveKind.APPLY, position=position)
    if step.kind is StepKind.UNDO:
        return Move(kind=MoveKind.TAKE_BACK, position=position)
    # Somebody else has brought the run here since the caller looked: the next look is at this step's condition.
    unseen = step.condition is not None and step.condition.looks_at not in seen
    if step.kind is StepKind.CHECK:
        return None if unseen else _look(step, position, seen, why=Why.NOT_MET)
    if at.state is not StepState.UNDER_WAY:
        return Move(kind=MoveKind.ENTER, position=position)
    if step.kind is StepKind.ASK:
        return Move(kind=MoveKind.PAUSE, position=position, why=Why.ASKED)
    if step.condition is not None and step.condition.holds(seen):
        return Move(kind=MoveKind.PASS, position=position, why=Why.MET)
    if at.entered_at is not None and now - at.entered_at < timedelta(seconds=step.at_most_s):
        return None
    if step.condition is None:
        return Move(kind=MoveKind.PASS, position=position, why=Why.TIME)
    return None if unseen else _look(step, position, seen, why=Why.TIME)


def _look(step: Step, position: int, seen: Observations, *, why: Why) -> Move:
    if step.condition is not None and step.condition.holds(seen):
        return Move(kind=MoveKind.PASS, position=position, why=Why.MET)
    kind = {Otherwise.GO_ON: MoveKind.PASS, Otherwise.PAUSE: MoveKind.PAUSE, Otherwise.ABORT: MoveKind.ABORT}
    return Move(kind=kind[step.otherwise], position=position, why=why)


def made(run: Progress, move: Move, *, now: datetime) -> Progress:
    """How the run stands after ``move``."""
    position = move.position
    if move.kind is MoveKind.END:
        # Its orders end by time itself, or have ended: nothing of it stands any more.
        over = tuple(replace(one, in_force=False) for one in run.at)
        return replace(run, at=over, phase=Phase.OVER, end=move.end, paused_at=None)
    if move.kind is MoveKind.HOLD:
        return replace(run, phase=Phase.HOLDING)
    if position is None:
        raise ValueError(f"{move.kind} is about a step")
    at = run.at[position]
    if move.kind is MoveKind.ENTER:
        return run.with_step(position, At(state=StepState.UNDER_WAY, entered_at=now))
    if move.kind is MoveKind.APPLY:
        return run.with_step(position, At(state=StepState.DONE, entered_at=now, in_force=True))
    if move.kind is MoveKind.TAKE_BACK:
        undone = run.steps[position].undoes - 1
        run = run.with_step(undone, replace(run.at[undone], in_force=False))
        return run.with_step(position, At(state=StepState.DONE, entered_at=now))
    if move.kind is MoveKind.REVERT:
        return run.with_step(position, replace(at, state=StepState.REVERTED, in_force=False))
    if move.kind is MoveKind.PASS:
        return run.with_step(position, replace(at, state=StepState.DONE, entered_at=at.entered_at or now))
    failed = run.with_step(position, replace(at, state=StepState.FAILED)) if move.why is not Why.ASKED else run
    if move.kind is MoveKind.ABORT:
        return replace(failed, phase=Phase.REVERTING)
    return replace(failed, phase=Phase.PAUSED, paused_at=now)


def failed(run: Progress, position: int, *, now: datetime) -> Progress:
    """The run when the step at ``position`` could not be done: paused, for a person to decide."""
    at = replace(run.at[position], state=StepState.FAILED)
    return replace(run.with_step(position, at), phase=Phase.PAUSED, paused_at=now)


def lost(run: Progress, position: int, *, now: datetime) -> Progress:
    """The run when what the step at ``position`` was about no longer exists: nothing of it stands, and what was going
    on is paused."""
    run = run.with_step(position, replace(run.at[position], state=StepState.LOST, in_force=False))
    return replace(run, phase=Phase.PAUSED, paused_at=now) if run.phase is Phase.RUNNING else run


# --- what people say --------------------------------------------------------------------------------------------------


def pause(run: Progress, *, now: datetime) -> Progress:
    """Stops before the next step; what is in force stays. Raises MoveRefused."""
    _check(run, Phase.RUNNING)
    return replace(run, phase=Phase.PAUSED, paused_at=now)


def resume(run: Progress, *, now: datetime) -> Progress:
    """Goes on: a step that failed is tried again, a question is answered, and the time a wait had is not counted on
    while it was paused. Raises MoveRefused."""
    _check(run, Phase.PAUSED)
    position = run.current
    if position is not None:
        run = run.with_step(position, _resumed(run, position, now))
    return replace(run, phase=Phase.RUNNING, paused_at=None)


def _resumed(run: Progress, position: int, now: datetime) -> At:
    at, step = run.at[position], run.steps[position]
    if at.state is StepState.FAILED:
        return At()
    if at.state is StepState.UNDER_WAY and step.kind is StepKind.ASK:
        return replace(at, state=StepState.DONE)
    if at.entered_at is None or run.paused_at is None:
        return at
    return replace(at, entered_at=at.entered_at + max(now - run.paused_at, timedelta(0)))


def skip(run: Progress, *, now: datetime) -> Progress:
    """Leaves the step out whose turn it is, and goes on. Raises MoveRefused."""
    if run.phase is not Phase.RUNNING:
        _check(run, Phase.PAUSED)
    position = run.current
    if position is None:
        raise MoveRefused(_("There is no step left to skip."), code="no_step")
    run = run.with_step(position, replace(run.at[position], state=StepState.SKIPPED))
    return replace(run, phase=Phase.RUNNING, paused_at=None)


def abort(run: Progress) -> Progress:
    """Takes back what is in force, the last first. Raises MoveRefused."""
    if run.phase in {Phase.OVER, Phase.REVERTING}:
        _check(run, Phase.RUNNING)
    return replace(run, phase=Phase.REVERTING, paused_at=None)


_PHASES: Final = {
    Phase.RUNNING: _("It is running."),
    Phase.PAUSED: _("It is paused."),
    Phase.HOLDING: _("All its steps are done; it can only be ended."),
    Phase.REVERTING: _("It is being reverted already."),
    Phase.OVER: _("It is over already."),
}


def _check(run: Progress, wanted: Phase) -> None:
    if run.phase is not wanted:
        raise MoveRefused(_PHASES[run.phase], code=f"run_is_{run.phase}")
