"""A run's rows and its progress: locked, read, written, and put into the audit. For the verbs of this room alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from admin_portal import audit
from admin_portal.kept_words import Sayable, Words, in_english
from admin_portal.kept_words import Words as _
from admin_portal.models import Plan, PlanRun, PlanVersion, RunStep
from admin_portal.models.requests import Decision
from admin_portal.plans import steps as steps_module
from admin_portal.plans.progress import At, Phase, Progress, RunEnd, StepState
from admin_portal.plans.steps import Step
from admin_portal.steering import approval
from admin_portal.steering import ledger as steering
from admin_portal.steering.actions import Action
from admin_portal.steering.approval import Approved, Case, Severity, State
from admin_portal.steering.errors import MoveRefused
from admin_portal.steering.ledger import Terms

#: A run is not changed while it waits for approval: there is one version of what is asked for.
_ONLY: Final = 1


def take_turn() -> None:
    """Waits until nobody else decides on plans, runs or degradations."""
    steering.be_the_one()


def lock(run_id: int) -> PlanRun:
    """The run, locked, and nobody else decides on runs or degradations meanwhile. Raises MoveRefused when there is
    none."""
    steering.be_the_one()
    row = PlanRun.objects.select_for_update(of=("self",)).select_related("plan", "version", "requested_by", "broken_by")
    run = row.filter(pk=run_id).first()
    if run is None:
        raise MoveRefused(_("There is no such run."), code="unknown")
    return run


def lock_plan(plan_id: int) -> tuple[Plan, PlanVersion]:
    """The plan, locked, with its newest version; nobody else decides meanwhile. Raises MoveRefused when there is none,
    or when it is retired."""
    take_turn()
    plan = Plan.objects.select_for_update().filter(pk=plan_id).first()
    if plan is None:
        raise MoveRefused(_("There is no such plan."), code="unknown")
    if plan.retired_at is not None:
        raise MoveRefused(_("This plan is retired."), code="retired")
    return plan, plan.versions.order_by("-number")[0]


def steps_of(run: PlanRun) -> tuple[Step, ...]:
    """What its version says."""
    return steps_module.read(run.version.steps)


def name_of(run: PlanRun) -> Words:
    """A run as people speak of it."""
    return steering.name_of_run(run)


def content_of(run: PlanRun) -> dict[str, Any]:
    """All that an approver says yes to."""
    return {
        "plan": run.plan.name,
        "version": run.version.number,
        "steps": run.version.steps,
        "reason": run.reason,
        "severity": run.severity,
        "lasts_s": run.lasts_s,
        "stranding_confirmed": run.stranding_confirmed,
    }


def case_of(run: PlanRun) -> Case:
    """A run as ``steering.approval`` sees it."""
    digest = approval.digest(content_of(run))
    given = run.approvals.filter(decision=Decision.APPROVED, digest=digest).values_list("approver_id", "at")
    return Case(
        state=State(run.state),
        requester=run.requested_by_id,
        needed=run.approvals_needed,
        version=_ONLY,
        approvals=tuple(Approved(by, _ONLY, at) for by, at in given),
    )


def pin_id(run: PlanRun, position: int) -> UUID:
    """The order of a step: the same whenever the step is tried."""
    return uuid5(run.form_token, str(position))


# --- progress ---------------------------------------------------------------------------------------------------------


def progress_of(run: PlanRun) -> Progress:
    """How far a run in force is. Raises ValueError for one that has not begun."""
    if run.ends_at is None:
        raise ValueError(f"run {run.pk} has not begun")
    at = tuple(
        At(state=StepState(row.state), entered_at=row.entered_at, in_force=row.in_force)
        for row in run.steps.order_by("position")
    )
    return Progress(
        steps=steps_of(run),
        at=at,
        ends_at=run.ends_at,
        phase=Phase(run.phase),
        paused_at=run.paused_at,
        end=RunEnd(run.end) if run.end else None,
    )


def start(run: PlanRun, *, now: datetime) -> Progress:
    """Puts a run in force, with all its steps to come."""
    run.started_at, run.ends_at = now, now + timedelta(seconds=run.lasts_s)
    run.state, run.phase = State.ACTIVE, Phase.RUNNING
    run.save()
    progress = Progress.start(steps_of(run), ends_at=run.ends_at)
    RunStep.objects.bulk_create([RunStep(run=run, position=place) for place in range(len(progress.steps))])
    return progress


def store(run: PlanRun, before: Progress, after: Progress, *, now: datetime, outcomes: Mapping[int, Sayable]) -> None:
    """Writes what changed. ``outcomes``: what is to be said of steps, by position."""
    for position, (old, new) in enumerate(zip(before.at, after.at, strict=True)):
        if old == new and position not in outcomes:
            continue
        values: dict[str, Any] = {"state": new.state, "entered_at": new.entered_at, "in_force": new.in_force}
        if position in outcomes:
            values["outcome"] = outcomes[position]
        if new.in_force and not old.in_force:
            values["pin_id"] = pin_id(run, position)
        if new.state != old.state:
            values["ended_at"] = None if new.state in {StepState.WAITING, StepState.UNDER_WAY} else now
        run.steps.filter(position=position).update(**values)
    run.phase, run.paused_at = after.phase, after.paused_at
    if after.phase is not Phase.PAUSED:
        run.pause_reason = ""
    if after.phase is Phase.OVER:
        run.state, run.ended_at, run.end = State.ENDED, now, after.end or RunEnd.COMPLETED
    run.save()


# --- who stands in the way --------------------------------------------------------------------------------------------


def standing_in_the_way(action: Action, *, but_for: int | None, ends_at: datetime, now: datetime) -> Words | None:
    """The name of a live degradation, or of another run with a step in force, that wants something else of the same
    target."""
    terms = Terms(action=action, reason="", severity=Severity.LOW, ends_at=ends_at)
    for request in steering.conflicting(terms, but_for=None, now=now):
        return steering.name_of(request)
    return steering.run_in_the_way(action, but_for=but_for, after=now)


# --- audit ------------------------------------------------------------------------------------------------------------


def note(
    run: PlanRun,
    *,
    verb: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    actor: str = "",
    origin: str = "",
    reason: Sayable = "",
    more: Mapping[str, Any] | None = None,
    approved_by: Sequence[str] = (),
) -> None:
    """Writes into the audit what was done to ``run``: last in its transaction. Without an ``actor`` it was the platform
    itself."""
    audit.record(
        actor=actor or audit.PLATFORM,
        origin=origin,
        action=f"plan.run.{verb}",
        target=f"plan_run:{run.pk}",
        before=before,
        after={**status(run), "plan": run.plan.name, "version": run.version.number, **(more or {})},
        reason=in_english(reason),
        approved_by=approved_by,
        now=now,
    )


def status(run: PlanRun) -> dict[str, str]:
    """Where it is, for the audit."""
    return {"state": str(run.state), "phase": str(run.phase)}
