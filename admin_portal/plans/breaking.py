"""Breaking the glass for a plan: it begins at once, and others look at it afterwards. As with degradations
(``steering.breaking``), but for one thing: what stands in a step's way is not replaced, it pauses the run."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from admin_portal.models import PlanRun
from admin_portal.models.requests import Occasion, Review
from admin_portal.plans import ledger, progress, requests, running
from admin_portal.steering import approval, breaking, checking, paging, people
from admin_portal.steering.approval import Move, Severity, State


def break_glass(*, run_id: int, by: User, origin: str, reason: str, now: datetime) -> PlanRun:
    """Begins a run without its approvals: the approvers are called, and it has to be reviewed afterwards. Its steps
    follow within a second. Raises SteeringError; also without a reason."""
    people.entitled(by, people.BREAK_GLASS)
    effects = requests.effects_of_run(run_id, now)
    with transaction.atomic():
        person, words = people.entitled(by, people.BREAK_GLASS), checking.given(reason)
        run = ledger.lock(run_id)
        before = ledger.status(run)
        approval.move(ledger.case_of(run), Move.BREAK_GLASS, by=person.pk, now=now)
        requests.check_effects(effects, severity=Severity(run.severity), confirmed=run.stranding_confirmed)
        run.broken_by, run.break_reason, run.predictions = person, words, requests.as_json(effects)
        run.review, run.review_due_at = Review.DUE, now + approval.REVIEW_WITHIN
        ledger.start(run, now=now)
        paging.call(run, occasion=Occasion.BREAK_GLASS, now=now)
        more = {"review_due_at": run.review_due_at}
        ledger.note(
            run,
            verb="break_glass",
            before=before,
            actor=person.username,
            origin=origin,
            reason=words,
            more=more,
            now=now,
        )
    return run


def review(*, run_id: int, fine: bool, by: User, origin: str, reason: str, now: datetime) -> PlanRun:
    """Says afterwards whether it was right to break the glass. If not, what is still in force is reverted, the last
    first. Raises SteeringError; also without a reason."""
    with transaction.atomic():
        person, words = people.entitled(by, people.APPROVE), checking.given(reason)
        run = ledger.lock(run_id)
        was = ledger.status(run)
        breaking.check_review(run, person)
        run.review = Review.REVIEWED if fine else Review.REJECTED
        run.reviewed_by, run.reviewed_at, run.review_reason = person, now, words
        run.save()
        if not fine and run.state == State.ACTIVE and run.phase != progress.Phase.REVERTING:
            run.end_reason, run.ended_by = words, person.username
            before = ledger.progress_of(run)
            ledger.store(run, before, progress.abort(before), now=now, outcomes={})
        verb = "reviewed" if fine else "review_rejected"
        ledger.note(run, verb=verb, before=was, actor=person.username, origin=origin, reason=words, now=now)
    if not fine:
        running.advance(run_id, now=now)
    return run
