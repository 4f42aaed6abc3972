"""Writing drills. Each verb is one transaction in which everything is checked anew; a run keeps the terms it began
with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.drills import ledger, scheduling, terms
from admin_portal.drills.terms import Terms
from admin_portal.models import Drill, Plan
from admin_portal.plans import naming, source
from admin_portal.steering import people, surroundings
from admin_portal.steering.errors import Fault, InvalidAction, MoveRefused

RUN: Final = "admin_portal.run_drill"
_LONGEST_TITLE: Final = 120
_MOST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A drill as somebody wrote it. ``every_days`` None: it is started by people alone. ``plan``: by name."""

    title: str
    owner: str
    terms: Terms
    plan: str = ""
    every_days: int | None = None
    at: time | None = None


def create(*, name: str, draft: Draft, by: User, origin: str, now: datetime) -> Drill:
    """Writes a new drill. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        ledger.take_turn()
        faults = _faults_of_name(name)
        plan, found = _check(draft)
        if faults or found:
            raise InvalidAction([*faults, *found])
        drill = Drill(name=name, author=person, created_at=now)
        _write(drill, draft, plan, now)
        drill.save(force_insert=True)
        ledger.note_drill(drill, verb="created", actor=person.username, origin=origin, now=now)
    return drill


def edit(*, drill_id: int, seen_at: datetime, draft: Draft, by: User, origin: str, now: datetime) -> Drill:
    """Changes a drill that was last changed at ``seen_at``: of two who edit at once the second is told. Raises
    SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        drill = ledger.lock_drill(drill_id)
        if drill.changed_at != seen_at:
            words = _("This drill was changed meanwhile. Look at it again before you change it.")
            raise MoveRefused(words, code="outdated")
        plan, faults = _check(draft)
        if faults:
            raise InvalidAction(faults)
        before = ledger.content(drill)
        drill.author = person
        _write(drill, draft, plan, now)
        drill.save()
        ledger.note_drill(drill, verb="changed", before=before, actor=person.username, origin=origin, now=now)
    return drill


def retire(*, drill_id: int, by: User, origin: str, now: datetime) -> Drill:
    """Takes it out of use; its reports stay. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        drill = ledger.lock_drill(drill_id)
        drill.retired_at, drill.next_at, drill.every_days, drill.at = now, None, None, None
        drill.save()
        ledger.note_drill(drill, verb="retired", actor=person.username, origin=origin, now=now)
    return drill


def _write(drill: Drill, draft: Draft, plan: Plan | None, now: datetime) -> None:
    """The draft in the row. A schedule that is as before keeps its next moment."""
    same = (drill.every_days, drill.at) == (draft.every_days, draft.at)
    drill.title, drill.owner, drill.plan = draft.title.strip(), draft.owner.strip(), plan
    drill.terms, drill.changed_at = draft.terms.as_json(), now
    drill.every_days, drill.at = draft.every_days, draft.at
    if draft.at is None:
        drill.next_at = None
    elif not same or drill.next_at is None:
        drill.next_at = scheduling.next_after(now, at=draft.at)


def _faults_of_name(name: str) -> list[Fault]:
    faults = naming.faults_of_name(name)
    if faults:
        return faults
    if Drill.objects.filter(name=name).exists():
        return [Fault("name", "taken", _("There is a drill of this name already."))]
    return []


def _check(draft: Draft) -> tuple[Plan | None, list[Fault]]:
    """The plan that is meant, and everything that is wrong with ``draft``."""
    faults = naming.faults_of_owner(draft.owner.strip())
    if not draft.title.strip() or not source.is_storable(draft.title):
        faults.append(Fault("title", "required", _("Write something here.")))
    elif len(draft.title) > _LONGEST_TITLE:
        faults.append(Fault("title", "too_long", _("At most %(most)d characters.") % {"most": _LONGEST_TITLE}))
    plan = Plan.objects.filter(name=draft.plan, retired_at=None).first() if draft.plan else None
    if draft.plan and plan is None:
        faults.append(Fault("plan", "unknown", _("There is no such plan in use.")))
    if (draft.every_days is None) != (draft.at is None):
        faults.append(Fault("at", "incomplete", _("A schedule takes both: every how many days, and at what time.")))
    elif draft.every_days is not None and not 1 <= draft.every_days <= _MOST_DAYS:
        faults.append(Fault("every_days", "range", _("From 1 to %(most)d days.") % {"most": _MOST_DAYS}))
    faults += terms.validate(draft.terms, has_plan=plan is not None, setup=surroundings.names())
    return plan, faults
