"""Makes runs go on. Each move (a step's effect, its state, its entry in the audit) is one transaction: a process that
is killed in between has done none of it, and whoever comes next sees the run as it is.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from django.db import transaction

from admin_portal.kept_words import Sayable
from admin_portal.kept_words import Words as _
from admin_portal.models import PlanRun
from admin_portal.models.plans import LIVE_STATES
from admin_portal.models.requests import Decision
from admin_portal.plans import ledger, observing, progress, steps
from admin_portal.plans.conditions import Observations
from admin_portal.plans.progress import Move, MoveKind, Phase, Progress, Why
from admin_portal.steering import actions, approval, surroundings
from admin_portal.steering.actions import Action
from admin_portal.steering.approval import State
from admin_portal.steering.errors import ConflictsWith, Fault, InvalidAction
from channels.degradation import pins
from channels.degradation.pin_rules import InvalidPin
from channels.names import PinSource
from notify.databases import apart

logger = logging.getLogger(__name__)

#: More moves at one time than a plan can have is a plan that goes round in circles.
_MOST_MOVES: Final = 4 * steps.MOST_STEPS
#: What it is called in the audit.
_VERBS: Final = {
    MoveKind.ENTER: "step_entered",
    MoveKind.APPLY: "step_applied",
    MoveKind.TAKE_BACK: "step_taken_back",
    MoveKind.PASS: "step_passed",
    MoveKind.PAUSE: "paused",
    MoveKind.ABORT: "aborted",
    MoveKind.HOLD: "holding",
    MoveKind.REVERT: "step_reverted",
    MoveKind.END: "ended",
}


def run_due(*, now: datetime) -> int:
    """Makes every live run go on as far as it can; returns how many moves were made. Idempotent, and harmless when
    several do it: each move is decided again under the lock. One query when no run is live."""
    moved = 0
    for run_id in PlanRun.objects.filter(state__in=LIVE_STATES).order_by("pk").values_list("pk", flat=True):
        with apart(f"plans: run {run_id}", log=logger):
            moved += advance(run_id, now=now)
    return moved


def advance(run_id: int, *, now: datetime) -> int:
    """Makes one run go on as far as it can; returns how many moves were made."""
    for count in range(_MOST_MOVES):
        if not make_move(run_id, now=now):
            return count
    logger.error("a run does not come to rest", extra={"run": run_id})
    return _MOST_MOVES


def make_move(run_id: int, *, now: datetime) -> bool:
    """Makes the next move of a run, if there is one; says whether there was."""
    seen = _look(run_id, now)
    with transaction.atomic():
        run = ledger.lock(run_id)
        if run.state == State.PENDING:
            return _lapse(run, _("nobody approved it in time"), now=now) if run.approve_by <= now else False
        if run.state == State.APPROVED:
            return _start_or_lapse(run, now=now)
        if run.state != State.ACTIVE:
            return False
        return _lose_targets(run, now=now) or _go_on(run, seen, now=now)


def _look(run_id: int, now: datetime) -> Observations:
    """What the step whose turn it is looks at. Outside the transaction: it may ask Redis. Should the run have gone on
    meanwhile, the next step finds that nothing is known yet, and looks again in a second."""
    run = PlanRun.objects.select_related("version").filter(pk=run_id, state=State.ACTIVE, phase=Phase.RUNNING).first()
    if run is None:
        return {}
    known = ledger.progress_of(run)
    condition = None if known.current is None else known.steps[known.current].condition
    return {} if condition is None else observing.read([condition], now=now, on_stage=run.drill_id is not None)


# --- one move, under the lock -----------------------------------------------------------------------------------------


def _lapse(run: PlanRun, reason: Sayable, *, now: datetime) -> bool:
    before = ledger.status(run)
    run.state = approval.move(ledger.case_of(run), approval.Move.LAPSE, by=None, now=now).state
    run.ended_at, run.end_reason = now, reason
    run.save()
    ledger.note(run, verb="lapsed", before=before, reason=reason, now=now)
    return True


def _start_or_lapse(run: PlanRun, *, now: datetime) -> bool:
    before, case = ledger.status(run), ledger.case_of(run)
    approved_at = max((one.at for one in case.approvals), default=run.requested_at)
    if now - approved_at > approval.START_WAITS:
        return _lapse(run, _("its start is too long ago"), now=now)
    approval.move(case, approval.Move.APPLY, by=None, now=now)
    ledger.start(run, now=now)
    approvers = run.approvals.filter(decision=Decision.APPROVED).values_list("approver__username", flat=True)
    ledger.note(run, verb="started", before=before, approved_by=list(approvers), reason=run.reason, now=now)
    return True


def _lose_targets(run: PlanRun, *, now: datetime) -> bool:
    """Ends what is in force of a target that was deleted meanwhile."""
    before = ledger.progress_of(run)
    if not before.in_force:
        return False
    setup = surroundings.names()
    for position in before.in_force:
        action = before.steps[position].action
        if action is None or actions.has_target(action, setup=setup):
            continue
        pins.end(pin_id=ledger.pin_id(run, position), now=now)
        words = _("its target no longer exists")
        after, was = progress.lost(before, position, now=now), ledger.status(run)
        if after.phase is Phase.PAUSED:
            run.pause_reason = steps.numbered(position + 1, words)
        ledger.store(run, before, after, now=now, outcomes={position: words})
        ledger.note(run, verb="target_gone", before=was, reason=words, more={"step": position + 1}, now=now)
        return True
    return False


def _go_on(run: PlanRun, seen: Observations, *, now: datetime) -> bool:
    before = ledger.progress_of(run)
    move = progress.next_move(before, seen=seen, now=now)
    if move is None:
        return False
    was, verb = ledger.status(run), _VERBS[move.kind]
    words: Sayable = ""
    outcomes: dict[int, Sayable]
    try:
        with transaction.atomic():
            _act(run, before, move, now=now)
        after = progress.made(before, move, now=now)
        outcomes = _outcomes(move)
        if move.kind is MoveKind.PAUSE and move.position is not None:
            words = _pause_words(before, move.position, move)
            run.pause_reason = words
    except (InvalidAction, ConflictsWith) as error:
        position = move.position or 0
        after, words, verb = progress.failed(before, position, now=now), error.words, "step_failed"
        outcomes, run.pause_reason = {position: words}, steps.numbered(position + 1, words)
    ledger.store(run, before, after, now=now, outcomes=outcomes)
    ledger.note(run, verb=verb, before=was, reason=words, more=_more(before, move), now=now)
    return True


def _act(run: PlanRun, before: Progress, move: Move, *, now: datetime) -> None:
    """The effect of ``move`` on the world. Raises InvalidAction and ConflictsWith; then there was none."""
    if move.kind is MoveKind.APPLY and move.position is not None:
        action = before.steps[move.position].action
        if action is not None:
            _apply(run, action, move.position, now=now)
    elif move.kind is MoveKind.TAKE_BACK and move.position is not None:
        undone = before.steps[move.position].undoes - 1
        if before.at[undone].in_force:
            pins.end(pin_id=ledger.pin_id(run, undone), now=now)
    elif move.kind is MoveKind.REVERT and move.position is not None:
        pins.end(pin_id=ledger.pin_id(run, move.position), now=now)
    elif move.kind is MoveKind.END:
        for position in before.in_force:
            pins.end(pin_id=ledger.pin_id(run, position), now=now)


def _apply(run: PlanRun, action: Action, position: int, *, now: datetime) -> None:
    if run.ends_at is None:
        raise ValueError(f"run {run.pk} has not begun")
    if run.drill_id is None:
        faults = actions.validate(action, setup=surroundings.read(now=now))
        if faults:
            raise InvalidAction(faults)
        other = ledger.standing_in_the_way(action, but_for=run.pk, ends_at=run.ends_at, now=now)
        if other is not None:
            raise ConflictsWith(other)
    try:
        pins.put(
            **actions.to_pin(action),
            reason=run.reason,
            author=(run.broken_by or run.requested_by).username,
            source=PinSource.PLAN if run.drill_id is None else PinSource.DRILL,
            starts_at=now,
            ends_at=run.ends_at,
            now=now,
            pin_id=ledger.pin_id(run, position),
        )
    except InvalidPin as error:
        raise InvalidAction([Fault(name, "invalid_pin", words) for name, words in error.errors]) from error


def _outcomes(move: Move) -> dict[int, Sayable]:
    """What is to be said of steps that are behind us now: a word that the page translates."""
    if move.position is None or move.why is None:
        return {}
    return {move.position: move.why.value}


def _pause_words(before: Progress, position: int, move: Move) -> Sayable:
    step = before.steps[position]
    if move.why is Why.ASKED:
        return step.words
    return steps.numbered(position + 1, _("not so: %(step)s") % {"step": steps.worded(step)})


def _more(before: Progress, move: Move) -> dict[str, object]:
    if move.position is None:
        return {"end": str(move.end or "")}
    step = before.steps[move.position]
    return {"step": move.position + 1, "does": step.as_json(), "why": str(move.why or "")}
