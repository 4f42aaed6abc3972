"""What people do with drills: start one, abort it, write down what follows from it. One transaction each."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.drills import ledger, running, scheduling, staging, terms
from admin_portal.drills.editing import RUN
from admin_portal.drills.terms import Terms
from admin_portal.models import Drill, DrillRun
from admin_portal.models.drills import DrillOutcome
from admin_portal.steering import checking, people, surroundings
from admin_portal.steering.errors import Fault, InvalidAction, MoveRefused

LONGEST_FOLLOW_UPS: Final = 20_000


def start(*, drill_id: int, seen_at: datetime, form_token: UUID, by: User, origin: str, now: datetime) -> DrillRun:
    """Starts a drill as it stood at ``seen_at``; it begins within a second. A form that is sent twice makes one run.
    Raises SteeringError, with the other's name when one is under way."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        drill = ledger.lock_drill(drill_id)
        known = DrillRun.objects.filter(form_token=form_token).first()
        if known is not None:
            return _same(known, drill, person)
        if drill.changed_at != seen_at:
            words = _("This drill was changed meanwhile. Look at it again before you start it.")
            raise MoveRefused(words, code="outdated")
        _check_alone()
        found = Terms.from_json(drill.terms)
        faults = terms.validate(found, has_plan=drill.plan is not None, setup=surroundings.names())
        if faults:
            raise InvalidAction(faults)
        obstacle = staging.obstacle(found, version=scheduling.version_of(drill), now=now)
        if obstacle:
            raise MoveRefused(obstacle, code="obstacle")
        run = scheduling.create_run(drill, by=person.username, form_token=form_token, now=now)
        ledger.note(run, verb="started", actor=person.username, origin=origin, now=now)
    return run


def _same(known: DrillRun, drill: Drill, person: User) -> DrillRun:
    if known.drill_id != drill.pk or known.started_by != person.username:
        raise MoveRefused(_("This form has been used already. Open a new one."), code="form_used")
    return known


def _check_alone() -> None:
    other = DrillRun.objects.select_related("drill").filter(is_live=True).first()
    if other is not None:
        words = _("Another drill is under way: %(drill)s, started by %(person)s. One at a time.")
        raise MoveRefused(words % {"drill": other.drill, "person": other.started_by}, code="runs_already")


def abort(*, run_id: UUID, by: User, origin: str, reason: str, now: datetime) -> DrillRun:
    """Restores at once, and then reports what was seen so far. Raises SteeringError; also without a reason."""
    words = checking.given(reason)
    with transaction.atomic():
        person = people.entitled(by, RUN)
        run = ledger.lock(run_id)
        if not run.is_live or run.outcome:
            raise MoveRefused(_("It is over already."), code="over")
        was = ledger.status(run)
        running.end(run, outcome=DrillOutcome.ABORTED, reason=words, by=person.username, now=now)
        run.save()
        ledger.note(run, verb="aborted", before=was, actor=person.username, origin=origin, reason=words, now=now)
    return run


def write_follow_ups(*, run_id: UUID, text: str, seen: str, by: User, origin: str, now: datetime) -> DrillRun:
    """Writes down what follows from a run, in place of ``seen``: of two who write at once the second is told. Raises
    SteeringError."""
    kept = text.replace("\0", "").replace("\r\n", "\n").strip()
    if len(kept) > LONGEST_FOLLOW_UPS:
        words = _("At most %(most)d characters.") % {"most": LONGEST_FOLLOW_UPS}
        raise InvalidAction([Fault("follow_ups", "too_long", words)])
    with transaction.atomic():
        person = people.entitled(by, RUN)
        run = ledger.lock(run_id)
        if run.follow_ups != seen.replace("\r\n", "\n"):
            words = _("Somebody wrote here meanwhile. Look at it again before you save yours.")
            raise MoveRefused(words, code="outdated")
        before, run.follow_ups = run.follow_ups, kept
        run.save(update_fields=["follow_ups"])
        ledger.note(
            run,
            verb="follow_ups",
            before={"follow_ups": before},
            more={"follow_ups": kept},
            actor=person.username,
            origin=origin,
            now=now,
        )
    return run
