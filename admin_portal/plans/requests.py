"""What people do before a run begins: ask for it, approve it, refuse it, take it back.

Each verb is one transaction in which everything is checked anew, as with degradations (``steering.requests``): the same
rules say how many approvers it takes, as many as the step that needs most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.models import Plan, PlanProposal, PlanRun, PlanVersion, RunApproval
from admin_portal.models.plans import LIVE_STATES
from admin_portal.models.requests import Decision, Occasion
from admin_portal.plans import ledger, steps
from admin_portal.plans.steps import Step
from admin_portal.steering import approval, checking, paging, people, prediction, rules, surroundings, traffic
from admin_portal.steering.approval import Case, Move, Severity, State
from admin_portal.steering.errors import ConflictsWith, Fault, InvalidAction, LeavesNoWay, MoveRefused
from admin_portal.steering.prediction import Prediction

RUN: Final = "admin_portal.run_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: this version, for so long, and why."""

    version: int
    reason: str
    severity: Severity
    lasts: timedelta
    stranding_confirmed: bool = False


def foresee(found: tuple[Step, ...], *, now: datetime) -> list[tuple[int, Prediction]]:
    """The predicted effect of each action by the number of its step, from the last hour's traffic."""
    wanted = [(number, step.action) for number, step in enumerate(found, start=1) if step.action is not None]
    if not wanted:
        return []
    setup, hour = surroundings.read(now=now), traffic.read(now=now)
    return [(number, prediction.predict(action, traffic=hour, setup=setup)) for number, action in wanted]


def ask(*, plan_id: int, wish: Wish, form_token: UUID, by: User, origin: str, now: datetime) -> PlanRun:
    """Asks for a run. A form that is sent twice makes one. Raises SteeringError."""
    effects = _effects_of(plan_id, now)
    with transaction.atomic():
        person, (plan, version) = people.entitled(by, RUN), ledger.lock_plan(plan_id)
        known = PlanRun.objects.filter(form_token=form_token).first()
        if known is not None:
            return _same(known, plan, wish, person)
        words, found = _check_wish(wish, version), steps.read(version.steps)
        _check_way(plan, found, wish, now)
        check_effects(effects, severity=wish.severity, confirmed=wish.stranding_confirmed)
        run = PlanRun(
            form_token=form_token,
            plan=plan,
            version=version,
            reason=words,
            severity=wish.severity,
            lasts_s=round(wish.lasts.total_seconds()),
            stranding_confirmed=wish.stranding_confirmed,
            predictions=as_json(effects),
            requested_by=person,
            requested_at=now,
            approvals_needed=needed(found, severity=wish.severity),
            approve_by=now + approval.APPROVAL_WAIT,
        )
        case = Case(requester=person.pk, needed=run.approvals_needed)
        run.state = approval.move(case, Move.SUBMIT, by=person.pk, now=now).state
        run.save(force_insert=True)
        PlanProposal.objects.filter(plan=plan, closed_at=None).update(closed_at=now, closed_by=person.username)
        if run.state == State.PENDING:
            paging.call(run, occasion=Occasion.APPROVAL, now=now)
        ledger.note(
            run,
            verb="requested",
            actor=person.username,
            origin=origin,
            reason=words,
            more={"approvals_needed": run.approvals_needed, "lasts_s": run.lasts_s, "severity": str(run.severity)},
            now=now,
        )
    return run


def _effects_of(plan_id: int, now: datetime) -> list[tuple[int, Prediction]]:
    """Before anything is locked: it reads an hour's traffic. Steps that can't be foreseen are refused under the
    lock."""
    version = PlanVersion.objects.filter(plan=plan_id).order_by("-number").first()
    return [] if version is None else _effects(version, now)


def effects_of_run(run_id: int, now: datetime) -> list[tuple[int, Prediction]]:
    """The predicted effect of a run that is asked for, as things are now; of none that there is: nothing."""
    run = PlanRun.objects.select_related("version").filter(pk=run_id).first()
    return [] if run is None else _effects(run.version, now)


def _effects(version: PlanVersion, now: datetime) -> list[tuple[int, Prediction]]:
    found = steps.read(version.steps)
    return [] if steps.validate(found, setup=surroundings.read(now=now)) else foresee(found, now=now)


def _same(known: PlanRun, plan: Plan, wish: Wish, person: User) -> PlanRun:
    """The run that this form asked for before."""
    asked = (known.plan_id, known.requested_by_id, known.reason, known.severity, known.lasts_s)
    again = (plan.pk, person.pk, checking.trimmed(wish.reason), wish.severity, round(wish.lasts.total_seconds()))
    if asked != again:
        raise MoveRefused(_("This form has been used already. Open a new one."), code="form_used")
    return known


def _check_wish(wish: Wish, version: PlanVersion) -> str:
    """The reason as it is kept. Raises MoveRefused and InvalidAction."""
    if wish.version != version.number:
        words = _("This plan was changed meanwhile (it is at version %(number)d). Look at it again before you run it.")
        raise MoveRefused(words % {"number": version.number}, code="outdated")
    if not approval.SHORTEST <= wish.lasts <= approval.LONGEST:
        words = _("What it puts in force lasts from 15 minutes to 7 days.")
        raise InvalidAction([Fault("lasts", "window", words)])
    return checking.given(wish.reason)


def _check_way(plan: Plan, found: tuple[Step, ...], wish: Wish, now: datetime) -> None:
    """Raises InvalidAction for steps that make no sense as things are, MoveRefused and ConflictsWith with the name of
    what stands in their way."""
    faults = steps.validate(found, setup=surroundings.read(now=now))
    if faults:
        raise InvalidAction(faults)
    check_nobody_runs(plan)
    _check_conflicts(found, wish, now)


def check_nobody_runs(plan: Plan) -> None:
    """Raises MoveRefused, with its name, while a run of ``plan`` is on its way."""
    other = PlanRun.objects.filter(plan=plan, state__in=LIVE_STATES, drill_id=None).first()
    if other is not None:
        words = _("It is on its way already: %(run)s.") % {"run": ledger.name_of(other)}
        raise MoveRefused(words, code="runs_already")


def _check_conflicts(found: tuple[Step, ...], wish: Wish, now: datetime) -> None:
    for action in steps.actions_of(found):
        other = ledger.standing_in_the_way(action, but_for=None, ends_at=now + wish.lasts, now=now)
        if other is not None:
            raise ConflictsWith(other)


def as_json(effects: list[tuple[int, Prediction]]) -> list[dict[str, Any]]:
    """As a run keeps them."""
    return [{"step": number, "effect": effect.as_json()} for number, effect in effects]


def check_effects(effects: list[tuple[int, Prediction]], *, severity: Severity, confirmed: bool) -> None:
    """Raises LeavesNoWay when critical messages would be left without any way and nobody has said that this is meant,
    and InvalidAction when the severity makes little of that."""
    if not any(effect.strands_critical for _number, effect in effects):
        return
    if not confirmed:
        raise LeavesNoWay
    if severity is not Severity.HIGH:
        words = _("What leaves critical messages without any way is of high severity.")
        raise InvalidAction([Fault("severity", "too_low", words)])


def needed(found: tuple[Step, ...], *, severity: Severity) -> int:
    """How many approvers the whole takes: as many as the step that needs most."""
    return max((rules.needed(severity=severity, kind=action.kind) for action in steps.actions_of(found)), default=0)


def approve(*, run_id: int, by: User, origin: str, reason: str = "", now: datetime) -> PlanRun:
    """Says yes. With the last approval that is needed it begins within a second. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, people.APPROVE)
        run = ledger.lock(run_id)
        before = ledger.status(run)
        if run.state == State.PENDING and run.approve_by <= now:
            raise MoveRefused(_("It was not approved in time."), code="over")
        case = approval.move(ledger.case_of(run), Move.APPROVE, by=person.pk, now=now)
        _say(run, person, Decision.APPROVED, reason, now)
        run.state = case.state
        run.save()
        ledger.note(run, verb="approved", before=before, actor=person.username, origin=origin, reason=reason, now=now)
    return run


def reject(*, run_id: int, by: User, origin: str, reason: str, now: datetime) -> PlanRun:
    """Says no, for good. Raises SteeringError; also without a reason."""
    with transaction.atomic():
        person, words = people.entitled(by, people.APPROVE), checking.given(reason)
        run = ledger.lock(run_id)
        before = ledger.status(run)
        case = approval.move(ledger.case_of(run), Move.REJECT, by=person.pk, now=now)
        _say(run, person, Decision.REJECTED, words, now)
        _close(run, case, person, words, now)
        ledger.note(run, verb="rejected", before=before, actor=person.username, origin=origin, reason=words, now=now)
    return run


def withdraw(*, run_id: int, by: User, origin: str, reason: str = "", now: datetime) -> PlanRun:
    """Takes one's own wish back, before it begins. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        run = ledger.lock(run_id)
        before = ledger.status(run)
        case = approval.move(ledger.case_of(run), Move.WITHDRAW, by=person.pk, now=now)
        _close(run, case, person, checking.trimmed(reason), now)
        ledger.note(run, verb="withdrawn", before=before, actor=person.username, origin=origin, reason=reason, now=now)
    return run


def _close(run: PlanRun, case: Case, person: User, reason: str, now: datetime) -> None:
    run.state, run.ended_at, run.ended_by, run.end_reason = case.state, now, person.username, reason
    run.save()


def _say(run: PlanRun, person: User, decision: Decision, reason: str, now: datetime) -> None:
    RunApproval.objects.update_or_create(
        run=run,
        approver=person,
        defaults={
            "decision": decision,
            "reason": checking.trimmed(reason),
            "digest": approval.digest(ledger.content_of(run)),
            "at": now,
        },
    )
