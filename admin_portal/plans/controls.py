"""What people do with a run in force: stop it, let it go on, leave a step out, abort it. One transaction each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from admin_portal.kept_words import Sayable
from admin_portal.kept_words import Words as _
from admin_portal.models import PlanRun
from admin_portal.models.requests import RequestState
from admin_portal.plans import ledger, progress, running
from admin_portal.plans.progress import Phase, Progress, StepState
from admin_portal.plans.requests import RUN
from admin_portal.steering import checking, people
from admin_portal.steering.approval import State
from admin_portal.steering.errors import MoveRefused


def pause(*, run_id: int, by: User, origin: str, reason: str = "", now: datetime) -> PlanRun:
    """Stops before the next step. Raises SteeringError."""
    words = checking.trimmed(reason) or _("paused by %(person)s") % {"person": by.get_username()}
    return _by_person(run_id, "paused_by_person", by, origin, words, now, lambda run: progress.pause(run, now=now))


def resume(*, run_id: int, by: User, origin: str, now: datetime) -> PlanRun:
    """Goes on: what failed is tried again, what was asked is answered. Raises SteeringError."""
    return _by_person(run_id, "resumed", by, origin, "", now, lambda run: progress.resume(run, now=now))


def skip(*, run_id: int, position: int, by: User, origin: str, now: datetime) -> PlanRun:
    """Leaves out the step at ``position`` (from 0), whose turn it must be: of two who skip at once, one skips. Raises
    SteeringError."""

    def move(run: Progress) -> Progress:
        if run.current != position:
            words = _("It has gone on meanwhile: it is not that step's turn any more.")
            raise MoveRefused(words, code="gone_on")
        return progress.skip(run, now=now)

    return _by_person(run_id, "skipped", by, origin, "", now, move)


def abort(*, run_id: int, by: User, origin: str, reason: str, now: datetime) -> PlanRun:
    """Reverts what is in force, the last first, and ends. It needs no approval: it leads back to rest. Raises
    SteeringError; also without a reason."""
    words = checking.given(reason)
    run = _by_person(run_id, "abort_ordered", by, origin, words, now, progress.abort)
    # At once, and not when somebody comes by: whoever aborts is in a hurry.
    running.advance(run_id, now=now)
    return run


def _by_person(
    run_id: int,
    verb: str,
    by: User,
    origin: str,
    reason: Sayable,
    now: datetime,
    change: Callable[[Progress], Progress],
) -> PlanRun:
    with transaction.atomic():
        person = people.entitled(by, RUN, people.APPROVE)
        run = ledger.lock(run_id)
        if run.state != State.ACTIVE:
            raise MoveRefused(_("It is not in force: %(state)s.") % {"state": RequestState(run.state).label})
        before, was = ledger.progress_of(run), ledger.status(run)
        after = change(before)
        if after.phase is Phase.PAUSED:
            run.pause_reason = reason
        if after.phase is Phase.REVERTING:
            run.end_reason, run.ended_by = reason, person.username
        outcomes = {
            place: "" for place, one in enumerate(after.at) if one.state is StepState.WAITING != before.at[place].state
        }
        ledger.store(run, before, after, now=now, outcomes=outcomes)
        ledger.note(run, verb=verb, before=was, actor=person.username, origin=origin, reason=reason, now=now)
    return run
