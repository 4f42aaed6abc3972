"""Drives what is under way, once a second. Each move (its effect, the row, its entry in the audit) is one transaction:
a process that is killed in between has done none of it, and whoever comes next sees the run as it is. The stage closes
by the clock whoever is alive then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from admin_portal.drills import alarm, ledger, load, measuring, progress, rehearsing, scheduling, staging, verdict
from admin_portal.drills.progress import Move, Schedule
from admin_portal.drills.terms import SETTLE_S, validate
from admin_portal.drills.verdict import Measured
from admin_portal.kept_words import Sayable, Words
from admin_portal.kept_words import Words as _
from admin_portal.models import DrillRun, Plan
from admin_portal.models.drills import DrillOutcome, DrillPhase
from admin_portal.steering import surroundings
from notify.databases import apart

logger = logging.getLogger(__name__)

_MOST_MOVES: Final = len(Move) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was looked at before the row was locked: it reads many rows."""

    settled: bool = False
    figures: dict[str, Any] = field(default_factory=dict)


def run_due(*, now: datetime) -> int:
    """Starts what its schedule says, and makes the live run go on as far as it can; returns how many moves were made.
    Idempotent, and harmless when several do it."""
    with apart("drills: schedule", log=logger):
        scheduling.start_due(now=now)
    moved = 0
    for run_id in DrillRun.objects.filter(is_live=True).values_list("pk", flat=True):
        with apart(f"drills: run {run_id}", log=logger):
            moved += advance(run_id, now=now)
    return moved


def advance(run_id: UUID, *, now: datetime) -> int:
    """Sends what is due of a run's load, and makes it go on as far as it can; returns how many moves were made."""
    # First: the last portion is sent before it is asked whether all has come to its end.
    load.send_due(run_id, now=now)
    moved = 0
    while moved < _MOST_MOVES and make_move(run_id, now=now):
        moved += 1
    return moved


def make_move(run_id: UUID, *, now: datetime) -> bool:
    """Makes the next move of a run, if there is one; says whether there was."""
    seen = _look(run_id, now)
    with transaction.atomic():
        run = ledger.lock(run_id)
        standing = ledger.standing_of(run, settled=seen.settled, looked=bool(seen.figures))
        move = progress.next_move(standing, now=now)
        if move is None:
            return False
        was = ledger.status(run)
        verb, reason = _act(run, move, seen, now=now)
        run.save()
        ledger.note(run, verb=verb, before=was, reason=reason, now=now)
    return True


def _look(run_id: UUID, now: datetime) -> _Seen:
    run = DrillRun.objects.select_related("drill", "plan_run").filter(pk=run_id, is_live=True).first()
    if run is None or run.phase != DrillPhase.RECOVERING or run.load_until is None or now < run.load_until:
        return _Seen()
    settled = measuring.is_settled(run)
    move = progress.next_move(ledger.standing_of(run, settled=settled), now=now)
    return _Seen(settled=settled, figures=measuring.read(run, now=now) if move is Move.MEASURE else {})


def _act(run: DrillRun, move: Move, seen: _Seen, *, now: datetime) -> tuple[str, Sayable]:
    """Makes ``move`` in the row and in the world; returns its name in the audit, and why."""
    if move is Move.OPEN:
        return _open(run, now=now)
    if move is Move.GIVE_UP:
        return _give_up(run, now=now)
    if move is Move.LOAD:
        ledger.enter(run, DrillPhase.LOADED, now=now)
        run.driven_until = Schedule.load_begins(run.opened_at or now)
    elif move is Move.FAULT:
        ledger.enter(run, DrillPhase.FAULTY, now=now)
        if run.plan_version is not None:
            rehearsing.start(run, version=run.plan_version, now=now)
    elif move is Move.RECOVER:
        ledger.enter(run, DrillPhase.RECOVERING, now=now)
    elif move is Move.MEASURE:
        ledger.enter(run, DrillPhase.MEASURED, now=now)
        run.figures = seen.figures
        staging.close_for(run, now=now)
        rehearsing.stop(run, now=now)
    else:
        _report(run, now=now)
    return str(run.phase), run.end_reason


def _open(run: DrillRun, *, now: datetime) -> tuple[str, Sayable]:
    terms, version = ledger.terms_of(run), run.plan_version
    # Things may have changed since it was written.
    faults = validate(terms, has_plan=version is not None, setup=surroundings.names())
    reason = (
        Words.together([one.words for one in faults]) if faults else staging.obstacle(terms, version=version, now=now)
    )
    if reason:
        return _cancel(run, reason, now=now)
    schedule = Schedule.of(terms, opens_at=now)
    run.channels = staging.channels_of(terms, version=version, now=now)
    try:
        with transaction.atomic():
            staging.open_for(run, terms, schedule)
    except IntegrityError:
        return _cancel(run, _("the stage is taken by another drill"), now=now)
    ledger.enter(run, DrillPhase.OPENED, now=now)
    run.faulty_from, run.faulty_until = schedule.faulty_from, schedule.faulty_until
    run.load_until, run.closes_at, run.driven_until = schedule.load_until, schedule.closes_at, now
    return str(run.phase), ""


def _cancel(run: DrillRun, reason: Sayable, *, now: datetime) -> tuple[str, Sayable]:
    """It could not even begin."""
    end(run, outcome=DrillOutcome.INTERRUPTED, reason=reason, by="", now=now)
    alarm.raise_for(run, now=now)
    return "not_begun", reason


def _give_up(run: DrillRun, *, now: datetime) -> tuple[str, Sayable]:
    gap = 0.0 if run.driven_until is None else (now - run.driven_until).total_seconds()
    reason = _("nobody drove it for %(seconds)d s: the control worker was away") % {"seconds": gap}
    run.longest_gap_s = max(run.longest_gap_s, gap)
    end(run, outcome=DrillOutcome.INTERRUPTED, reason=reason, by="", now=now)
    return "given_up", reason


def end(run: DrillRun, *, outcome: DrillOutcome, reason: Sayable, by: str, now: datetime) -> None:
    """Restores at once and sends nothing more; what was sent comes to its end, and then it is measured. In the caller's
    transaction, with the row locked; the caller saves it."""
    run.outcome, run.end_reason, run.ended_by = outcome, reason, by
    if run.closes_at is None or run.load_until is None or run.faulty_until is None:  # it had not begun
        ledger.enter(run, DrillPhase.REPORTED, now=now)
        run.is_live = False
        return
    staging.close_for(run, now=now)
    rehearsing.stop(run, now=now)
    run.load_until = min(run.load_until, now)
    run.faulty_until = min(run.faulty_until, now)
    run.closes_at = min(run.closes_at, now + timedelta(seconds=SETTLE_S))
    if run.recovering_at is None:
        ledger.enter(run, DrillPhase.RECOVERING, now=now)


def _report(run: DrillRun, *, now: datetime) -> None:
    figures = run.figures or {}
    found = verdict.judge(ledger.terms_of(run).hypothesis, _measured(figures))
    run.findings = [one.as_json() for one in found]
    if not run.outcome:
        passed = all(one.good for one in found)
        run.outcome = DrillOutcome.PASSED if passed else DrillOutcome.FAILED
        if run.plan_version is not None and passed:
            Plan.objects.filter(pk=run.plan_version.plan_id).update(rehearsed_at=now)
    ledger.enter(run, DrillPhase.REPORTED, now=now)
    run.is_live = False
    if run.outcome in {DrillOutcome.FAILED, DrillOutcome.INTERRUPTED}:
        alarm.raise_for(run, now=now)


def _measured(figures: dict[str, Any]) -> Measured:
    return Measured(
        sent=figures.get("sent", 0),
        lost=figures.get("lost", 0),
        duplicated=figures.get("duplicated", 0),
        undelivered=figures.get("undelivered", 0),
        refused=figures.get("refused", 0),
        detect_s=figures.get("detect_s"),
        switch_s=figures.get("switch_s"),
        recover_s=figures.get("recover_s"),
        watched_s=figures.get("watched_s"),
        plan=figures.get("plan"),
    )
