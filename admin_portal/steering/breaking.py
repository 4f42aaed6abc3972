"""Breaking the glass: an authorised person applies a request at once, and others look at it afterwards.

Verbs as in ``requests``: one transaction each, everything checked anew under the lock.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.models import DegradationRequest, PlanRun
from admin_portal.models.requests import EndCause, Occasion, Review
from admin_portal.steering import applying, approval, checking, ledger, paging, people
from admin_portal.steering.approval import Move, State
from admin_portal.steering.errors import MoveRefused
from admin_portal.steering.ledger import Terms


def break_glass(
    *, request_id: int, version: int, by: User, origin: str, reason: str, now: datetime
) -> DegradationRequest:
    """Applies a request at once, without its approvals: they are called, and it has to be reviewed afterwards. Requests
    that conflict with it are replaced; a plan's run is not: it has to be aborted first, as a whole. Raises
    SteeringError; also without a reason."""
    people.entitled(by, people.BREAK_GLASS)
    row = DegradationRequest.objects.filter(pk=request_id).first()
    if row is None:
        raise MoveRefused(_("There is no such request."), code="unknown")
    approval.move(ledger.case_of(row), Move.BREAK_GLASS, by=by.pk, now=now)
    # It begins now, whatever was asked for.
    at_once = applying.starting_now(Terms.of(row))
    effect = checking.predict(at_once, now=now)
    with transaction.atomic():
        person, words = people.entitled(by, people.BREAK_GLASS), checking.given(reason)
        row = ledger.lock(request_id, version=version)
        before, terms = State(row.state), applying.starting_now(Terms.of(row))
        case = approval.move(ledger.case_of(row), Move.BREAK_GLASS, by=person.pk, now=now)
        checking.check_effect(terms, effect)
        checking.check_runs(terms, now=now)
        row.broken_by, row.break_reason, row.prediction = person, words, effect.as_json()
        row.review, row.review_due_at = Review.DUE, now + approval.REVIEW_WITHIN
        row.starts_at = None
        applying.replace_others(terms, row, now=now)
        applying.begin(row, case, now=now)
        paging.call(row, occasion=Occasion.BREAK_GLASS, now=now)
        ledger.note(
            row,
            verb="break_glass",
            before=before,
            actor=person.username,
            origin=origin,
            reason=words,
            more={"review_due_at": row.review_due_at},
            now=now,
        )
    return row


def review(
    *, request_id: int, version: int, fine: bool, by: User, origin: str, reason: str, now: datetime
) -> DegradationRequest:
    """Says afterwards whether it was right to break the glass. If not, what is still in force is reverted. Raises
    SteeringError; also without a reason."""
    with transaction.atomic():
        person, words = people.entitled(by, people.APPROVE), checking.given(reason)
        row = ledger.lock(request_id, version=version)
        before = State(row.state)
        check_review(row, person)
        row.review = Review.REVIEWED if fine else Review.REJECTED
        row.reviewed_by, row.reviewed_at, row.review_reason = person, now, words
        row.save()
        if not fine and before is State.ACTIVE:
            applying.end(row, move=Move.REVERT, cause=EndCause.REVERTED, by=person, reason=words, now=now)
        verb = "reviewed" if fine else "review_rejected"
        ledger.note(row, verb=verb, before=before, actor=person.username, origin=origin, reason=words, now=now)
    return row


def check_review(row: DegradationRequest | PlanRun, person: User) -> None:
    """Raises MoveRefused when there is nothing to review, or not for this person."""
    if row.review == Review.NONE:
        raise MoveRefused(_("There is nothing to review."), code="no_review")
    if row.review != Review.DUE:
        raise MoveRefused(_("It has been reviewed already."), code="reviewed_already")
    if person.pk in {row.broken_by_id, row.requested_by_id}:
        raise MoveRefused(_("Nobody reviews what they did or asked for themselves."), code="own_request")
