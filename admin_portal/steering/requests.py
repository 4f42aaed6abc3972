"""What people do with requests: ask, change their minds, approve, refuse, and end it again.

Each verb is one transaction: the request is locked, everything is checked anew (state, version, person, permission,
conflicts), and the change is committed together with its entry in the audit. A verb that is refused changes nothing.
``version`` is the one the person saw; ``origin`` is where they came from, for the audit.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.models import Approval, DegradationRequest
from admin_portal.models.requests import Decision, EndCause, Occasion
from admin_portal.steering import applying, approval, checking, ledger, paging, people, rules, surroundings
from admin_portal.steering.approval import Move, State
from admin_portal.steering.errors import MoveRefused
from admin_portal.steering.ledger import Terms
from admin_portal.steering.prediction import Prediction


def draft(*, terms: Terms, form_token: UUID, by: User, origin: str, now: datetime) -> DegradationRequest:
    """Writes down what somebody asks for, and lets nobody else see to it yet. A form that is sent twice makes one
    request. Raises NotPermitted, InvalidAction, or MoveRefused for a form of somebody else."""
    with transaction.atomic():
        person = people.entitled(by, people.REQUEST, people.BREAK_GLASS)
        ledger.be_the_one()
        known = DegradationRequest.objects.filter(form_token=form_token).first()
        if known is not None:
            return _same(known, terms, person)
        checking.check_terms(terms, setup=surroundings.read(now=now), now=now)
        checking.check_superseded(terms)
        row = DegradationRequest(form_token=form_token, requested_by=person, created_at=now)
        terms.write_to(row)
        row.save(force_insert=True)
        ledger.note(
            row, verb="drafted", before=None, actor=person.username, origin=origin, reason=terms.reason, now=now
        )
        return row


def _same(known: DegradationRequest, terms: Terms, person: User) -> DegradationRequest:
    """The request that this form made before. Its end may be written as *in an hour*, and moves on."""
    before, again = ({**one.as_json(), "ends_at": None} for one in (Terms.of(known), terms))
    if known.requested_by_id != person.pk or before != again:
        raise MoveRefused(_("This form has been used already. Open a new one."), code="form_used")
    return known


def change(*, request_id: int, version: int, terms: Terms, by: User, origin: str, now: datetime) -> DegradationRequest:
    """Asks for something else. Approvals that were given are of the former version, and count no more. Raises
    SteeringError."""
    people.entitled(by, people.REQUEST)
    effect = checking.predict(terms, now=now)
    with transaction.atomic():
        person = people.entitled(by, people.REQUEST)
        row = ledger.lock(request_id, version=version)
        before, was = State(row.state), Terms.of(row).as_json()
        if before in approval.LIVE:
            checking.check_effect(terms, effect)
            checking.check_conflicts(terms, but_for=row.pk, now=now)
        checking.check_superseded(terms, of=row.pk)
        needed = approvals_needed(terms)
        case = approval.move(ledger.case_of(row), Move.CHANGE, by=person.pk, now=now, needed=needed)
        terms.write_to(row)
        row.prediction = effect.as_json()
        if before in approval.LIVE:
            row.approve_by = approval.approve_by(starts_at=row.starts_at, ends_at=row.ends_at, now=now)
        ledger.write(row, case)
        ledger.note(
            row,
            verb="changed",
            before=before,
            actor=person.username,
            origin=origin,
            reason=terms.reason,
            more={"was": was},
            now=now,
        )
        _begin_or_wait(row, now=now)
    return row


def submit(*, request_id: int, version: int, by: User, origin: str, now: datetime) -> DegradationRequest:
    """Sends a draft to its approvers; where the rules ask for none, it is applied when it is due. Raises
    SteeringError."""
    people.entitled(by, people.REQUEST)
    effect = _effect_of(request_id, now)
    with transaction.atomic():
        person = people.entitled(by, people.REQUEST)
        row = ledger.lock(request_id, version=version)
        terms, before = Terms.of(row), State(row.state)
        needed = approvals_needed(terms)
        case = approval.move(ledger.case_of(row), Move.SUBMIT, by=person.pk, now=now, needed=needed)
        checking.check_effect(terms, effect)
        checking.check_superseded(terms, of=row.pk)
        checking.check_conflicts(terms, but_for=row.pk, now=now)
        row.submitted_at, row.prediction = now, effect.as_json()
        row.approve_by = approval.approve_by(starts_at=row.starts_at, ends_at=row.ends_at, now=now)
        ledger.write(row, case)
        ledger.note(
            row,
            verb="requested",
            before=before,
            actor=person.username,
            origin=origin,
            reason=row.reason,
            more={"approvals_needed": row.approvals_needed, **terms.as_json()},
            now=now,
        )
        _begin_or_wait(row, now=now)
    return row


def _effect_of(request_id: int, now: datetime) -> Prediction:
    """The predicted effect of a request as it is written. Before anything is locked: it reads an hour's traffic."""
    row = DegradationRequest.objects.filter(pk=request_id).first()
    if row is None:
        raise MoveRefused(_("There is no such request."), code="unknown")
    if row.state != State.DRAFT:
        # What the move says of it is clearer than what is wrong with its window by now.
        approval.move(ledger.case_of(row), Move.SUBMIT, by=row.requested_by_id, now=now)
    return checking.predict(Terms.of(row), now=now)


def _begin_or_wait(row: DegradationRequest, *, now: datetime) -> None:
    """What follows at once from how a request stands: it begins, or its approvers are called."""
    if row.state == State.APPROVED:
        row.approved_at = now
        row.save(update_fields=["approved_at"])
        applying.begin_if_due(row, now=now)
    elif row.state == State.PENDING:
        paging.call(row, occasion=Occasion.APPROVAL, now=now)


def approve(
    *, request_id: int, version: int, by: User, origin: str, reason: str = "", now: datetime
) -> DegradationRequest:
    """Says yes. With the last approval that is needed it is applied, if it is due. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, people.APPROVE)
        row = ledger.lock(request_id, version=version)
        before = State(row.state)
        if before is State.PENDING and row.ends_at <= now:
            raise MoveRefused(_("Its time is over already."), code="over")
        case = approval.move(ledger.case_of(row), Move.APPROVE, by=person.pk, now=now)
        _say(row, person, Decision.APPROVED, reason, now)
        ledger.write(row, case)
        ledger.note(row, verb="approved", before=before, actor=person.username, origin=origin, reason=reason, now=now)
        if case.state is State.APPROVED:
            _begin_or_wait(row, now=now)
    return row


def _say(row: DegradationRequest, person: User, decision: Decision, reason: str, now: datetime) -> None:
    """Stores what an approver says; whoever approved so long ago that it lapsed may say so again."""
    Approval.objects.update_or_create(
        request=row,
        version=row.version,
        approver=person,
        defaults={
            "decision": decision,
            "reason": checking.trimmed(reason),
            "digest": approval.digest(Terms.of(row).as_json()),
            "at": now,
        },
    )


def reject(*, request_id: int, version: int, by: User, origin: str, reason: str, now: datetime) -> DegradationRequest:
    """Says no, for good. Raises SteeringError; also without a reason."""
    with transaction.atomic():
        person, words = people.entitled(by, people.APPROVE), checking.given(reason)
        row = ledger.lock(request_id, version=version)
        before = State(row.state)
        case = approval.move(ledger.case_of(row), Move.REJECT, by=person.pk, now=now)
        _say(row, person, Decision.REJECTED, words, now)
        row.end_reason, row.ended_by = words, person
        ledger.write(row, case)
        ledger.note(row, verb="rejected", before=before, actor=person.username, origin=origin, reason=words, now=now)
    return row


def withdraw(
    *, request_id: int, version: int, by: User, origin: str, reason: str = "", now: datetime
) -> DegradationRequest:
    """Takes one's own request back. Raises SteeringError."""
    with transaction.atomic():
        person = people.entitled(by, people.REQUEST, people.BREAK_GLASS)
        row = ledger.lock(request_id, version=version)
        before = State(row.state)
        case = approval.move(ledger.case_of(row), Move.WITHDRAW, by=person.pk, now=now)
        row.end_reason, row.ended_by = checking.trimmed(reason), person
        ledger.write(row, case)
        ledger.note(row, verb="withdrawn", before=before, actor=person.username, origin=origin, reason=reason, now=now)
    return row


def revert(*, request_id: int, version: int, by: User, origin: str, reason: str, now: datetime) -> DegradationRequest:
    """Ends what is in force, before its time. It needs no approval: it leads back to rest. Raises SteeringError."""
    with transaction.atomic():
        person, words = people.entitled(by, people.REQUEST, people.APPROVE), checking.given(reason)
        row = ledger.lock(request_id, version=version)
        before = State(row.state)
        applying.end(row, move=Move.REVERT, cause=EndCause.REVERTED, by=person, reason=words, now=now)
        ledger.note(row, verb="reverted", before=before, actor=person.username, origin=origin, reason=words, now=now)
    return row


# --- what the page of a new request asks beforehand -------------------------------------------------------------------


def approvals_needed(terms: Terms) -> int:
    """How many approvers ``terms`` would take."""
    return rules.needed(severity=terms.severity, kind=terms.action.kind)


def in_the_way(terms: Terms, row: DegradationRequest | None, *, now: datetime) -> list[str]:
    """The names of the live requests, and of a plan's run, that ``terms``, those of ``row`` if it is there already,
    conflict with."""
    found = ledger.conflicting(terms, but_for=None if row is None else row.pk, now=now)
    run = ledger.run_in_the_way(terms.action, but_for=None, after=max(terms.starts_at or now, now))
    names = [str(ledger.name_of(one)) for one in found if one.pk != terms.supersedes]
    return names if run is None else [*names, str(run)]
