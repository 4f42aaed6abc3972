"""Writing plans. An edit is a new version: runs that are on their way keep theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal import audit
from admin_portal.models import Plan, PlanProposal, PlanVersion
from admin_portal.plans import conditions, ledger, naming, requests, source, steps, writing
from admin_portal.plans.conditions import Condition
from admin_portal.plans.steps import Step
from admin_portal.steering import people, surroundings
from admin_portal.steering.actions import Setup
from admin_portal.steering.errors import Fault, InvalidAction, MoveRefused

EDIT: Final = "admin_portal.edit_plan"
_LONGEST_RUNBOOK: Final = 50_000
_LONGEST_TITLE: Final = 120
_MOST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan as somebody wrote it."""

    title: str
    owner: str
    source: str
    trigger: str = ""
    runbook: str = ""
    rehearse_every_days: int = 90
    note: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """What a draft says."""

    steps: tuple[Step, ...]
    trigger: Condition | None


def check(draft: Draft, *, setup: Setup) -> Read:
    """What ``draft`` says. Raises InvalidAction with everything that is wrong with it."""
    faults = _faults_of_words(draft)
    found: tuple[Step, ...] = ()
    trigger: Condition | None = None
    try:
        found = writing.read_steps(draft.source)
        faults += steps.validate(found, setup=setup)
    except InvalidAction as error:
        faults += error.faults
    try:
        trigger = writing.read_trigger(draft.trigger)
        if trigger is not None:
            faults += [Fault("trigger", one.code, one.words) for one in conditions.validate(trigger, setup=setup)]
    except InvalidAction as error:
        faults += error.faults
    if faults:
        raise InvalidAction(faults)
    return Read(found, trigger)


def _faults_of_words(draft: Draft) -> list[Fault]:
    words = {"title": draft.title, "runbook": draft.runbook, "note": draft.note}
    faults = [source.unstorable(name) for name, text in words.items() if not source.is_storable(text)]
    if not 0 < len(draft.title.strip()) <= _LONGEST_TITLE:
        text = _("Give it a title of at most %(most)d characters.") % {"most": _LONGEST_TITLE}
        faults.append(Fault("title", "required", text))
    if len(draft.runbook) > _LONGEST_RUNBOOK:
        text = _("Write at most %(most)d characters.") % {"most": _LONGEST_RUNBOOK}
        faults.append(Fault("runbook", "too_long", text))
    if not 1 <= draft.rehearse_every_days <= _MOST_DAYS:
        text = _("It is to be rehearsed every 1 to %(most)d days.") % {"most": _MOST_DAYS}
        faults.append(Fault("rehearse_every_days", "out_of_range", text))
    return faults + naming.faults_of_owner(draft.owner)


def create(*, name: str, draft: Draft, by: User, origin: str, now: datetime) -> Plan:
    """A new plan. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, EDIT)
        read = check(draft, setup=surroundings.read(now=now))
        ledger.take_turn()
        _check_name(name)
        plan = Plan.objects.create(
            name=name,
            title=draft.title.strip(),
            owner=draft.owner,
            rehearse_every_days=draft.rehearse_every_days,
            created_at=now,
        )
        version = _write(plan, 1, draft, read, person.username, now)
        _note(plan, "created", before=None, after=_described(plan, version), by=person, origin=origin, now=now)
    return plan


def _check_name(name: str) -> None:
    faults = naming.faults_of_name(name)
    if faults:
        raise InvalidAction(faults)
    if Plan.objects.filter(name=name).exists():
        words = _("There is a plan “%(name)s” already.") % {"name": name}
        raise InvalidAction([Fault("name", "taken", words)])


def edit(*, plan_id: int, version: int, draft: Draft, by: User, origin: str, now: datetime) -> PlanVersion:
    """The next version of a plan, which was at ``version`` when its editor looked. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, EDIT)
        read = check(draft, setup=surroundings.read(now=now))
        plan, last = ledger.lock_plan(plan_id)
        if last.number != version:
            words = _("Somebody wrote version %(number)d meanwhile. Look at it before you write the next.")
            raise MoveRefused(words % {"number": last.number}, code="outdated")
        before = _described(plan, last)
        plan.title, plan.owner = draft.title.strip(), draft.owner
        plan.rehearse_every_days, plan.triggered_since = draft.rehearse_every_days, None
        plan.save()
        # What its former trigger spoke for is not what this one says.
        PlanProposal.objects.filter(plan=plan, closed_at=None).update(closed_at=now, closed_by=person.username)
        new = _write(plan, last.number + 1, draft, read, person.username, now)
        _note(plan, "edited", before=before, after=_described(plan, new), by=person, origin=origin, now=now)
    return new


def retire(*, plan_id: int, by: User, origin: str, now: datetime) -> Plan:
    """Takes a plan out of use: it is neither run nor proposed any more; what it did is kept. Raises SteeringError, also
    while a run of it is on its way."""
    with transaction.atomic():
        person = people.entitled(by, EDIT)
        plan, _last = ledger.lock_plan(plan_id)
        requests.check_nobody_runs(plan)
        plan.retired_at, plan.triggered_since = now, None
        plan.save()
        PlanProposal.objects.filter(plan=plan, closed_at=None).update(closed_at=now, closed_by=person.username)
        _note(plan, "retired", before={"retired": False}, after={"retired": True}, by=person, origin=origin, now=now)
    return plan


def _write(plan: Plan, number: int, draft: Draft, read: Read, author: str, now: datetime) -> PlanVersion:
    return PlanVersion.objects.create(
        plan=plan,
        number=number,
        source=draft.source,
        steps=[one.as_json() for one in read.steps],
        trigger_source=draft.trigger,
        trigger=None if read.trigger is None else read.trigger.as_json(),
        runbook=draft.runbook,
        author=author,
        note=draft.note[:200],
        created_at=now,
    )


def _described(plan: Plan, version: PlanVersion) -> dict[str, object]:
    return {
        "title": plan.title,
        "owner": plan.owner,
        "rehearse_every_days": plan.rehearse_every_days,
        "version": version.number,
        "steps": version.steps,
        "trigger": version.trigger,
        "runbook": version.runbook,
    }


def _note(
    plan: Plan,
    verb: str,
    *,
    before: dict[str, object] | None,
    after: dict[str, object],
    by: User,
    origin: str,
    now: datetime,
) -> None:
    audit.record(
        actor=by.username,
        origin=origin,
        action=f"plan.{verb}",
        target=f"plan:{plan.name}",
        before=before,
        after=after,
        now=now,
    )
