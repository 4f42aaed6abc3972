"""A plan on the stage: a run of it that belongs to a drill. It takes no approval, and its orders hold there alone.

A step that asks is answered on the plan run's page, as in earnest; one that nobody answers is where the plan stops.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import uuid5

from django.contrib.auth.models import User
from django.db import transaction

from admin_portal.kept_words import Sayable, in_english
from admin_portal.kept_words import Words as _
from admin_portal.models import DrillRun, PlanRun, PlanVersion
from admin_portal.plans import ledger, progress, running, steps
from admin_portal.plans.progress import Phase, RunEnd, StepState
from admin_portal.steering.approval import Severity, State

#: Its orders end by themselves with the drill; they must not end before.
_LASTS_S: Final = 2 * 3600


def start(run: DrillRun, *, version: PlanVersion, now: datetime) -> PlanRun:
    """Starts ``version`` of its plan on the stage of ``run``. In the caller's transaction."""
    ledger.take_turn()
    author = User.objects.filter(username=run.started_by).first() or run.drill.author
    plan_run = PlanRun.objects.create(
        form_token=uuid5(run.pk, "plan"),
        plan=version.plan,
        version=version,
        reason=in_english(_("drill: %(drill)s") % {"drill": run.drill}),
        severity=Severity.LOW,
        lasts_s=_LASTS_S,
        drill_id=run.pk,
        state=State.APPROVED,
        approvals_needed=0,
        requested_by=author,
        requested_at=now,
        approve_by=now,
    )
    run.plan_run = plan_run
    return plan_run


def outcome(run: DrillRun) -> Sayable | None:
    """How the plan went: empty, when all its steps were done; else where it stopped. None without a plan."""
    if run.plan_version_id is None:
        return None
    if run.plan_run_id is None:
        return _("it was not begun")
    found = PlanRun.objects.select_related("version").get(pk=run.plan_run_id)
    if found.ends_at is None:
        return _("it was not begun")
    if found.phase == Phase.HOLDING or found.end == RunEnd.COMPLETED:
        return _failed_step(found)
    if found.phase == Phase.PAUSED:
        return found.pause_reason
    if found.state == State.ENDED:
        return found.end_reason or RunEnd(found.end).label
    return _under_way(found)


def _failed_step(found: PlanRun) -> Sayable:
    lost = found.steps.filter(state__in=(StepState.SKIPPED, StepState.LOST, StepState.FAILED)).first()
    if lost is None:
        return ""
    return steps.numbered(lost.position + 1, StepState(lost.state).label)


def _under_way(found: PlanRun) -> Sayable:
    position = ledger.progress_of(found).current
    if position is None:
        return Phase(found.phase).label
    return steps.numbered(position + 1, steps.worded(ledger.steps_of(found)[position]))


def stop(run: DrillRun, *, now: datetime) -> None:
    """Reverts what the plan has in force on the stage, the last first, and ends it. Idempotent."""
    if run.plan_run_id is None:
        return
    with transaction.atomic():
        plan_run = ledger.lock(run.plan_run_id)
        if plan_run.state == State.APPROVED:
            # It never began: beginning and ending it is the way that the ledger knows.
            ledger.start(plan_run, now=now)
        if plan_run.state != State.ACTIVE:
            return
        before, was = ledger.progress_of(plan_run), ledger.status(plan_run)
        if before.phase is not Phase.REVERTING:
            plan_run.end_reason = plan_run.end_reason or _("the drill is over")
            ledger.store(plan_run, before, progress.abort(before), now=now, outcomes={})
            ledger.note(plan_run, verb="abort_ordered", before=was, reason=plan_run.end_reason, now=now)
        running.advance(plan_run.pk, now=now)
