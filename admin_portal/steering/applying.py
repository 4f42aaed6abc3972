"""What takes effect, and when: a request becomes a pin, the pin ends, and what nobody approved in time lapses.

Pin and state change in one transaction: a process that is killed in between has done neither, and whoever comes next
does both. A pin begins and ends by time itself; what falls due here is the request's own state.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction

from admin_portal.kept_words import Sayable
from admin_portal.kept_words import Words as _
from admin_portal.models import DegradationRequest
from admin_portal.models.requests import Decision, EndCause
from admin_portal.steering import actions, approval, ledger, surroundings
from admin_portal.steering.approval import Case, Move, State
from admin_portal.steering.errors import Fault, InvalidAction
from admin_portal.steering.ledger import Terms
from channels.degradation import pins
from channels.degradation.pin_rules import InvalidPin
from notify.databases import apart

logger = logging.getLogger(__name__)


def starting_now(terms: Terms) -> Terms:
    """``terms`` without their start."""
    return replace(terms, starts_at=None)


# --- beginning and ending, in the caller's transaction and under its lock ---------------------------------------------


def begin_if_due(row: DegradationRequest, *, now: datetime) -> None:
    """Applies an approved request whose start has come. Raises InvalidAction when things are such by now that it
    can't be done."""
    if row.starts_at is None or row.starts_at <= now:
        begin(row, approval.move(ledger.case_of(row), Move.APPLY, by=None, now=now), now=now)


def begin(row: DegradationRequest, case: Case, *, now: datetime) -> None:
    """Puts the pin of ``row`` and stores it as ``case``, which is in force; what it replaces ends. Raises
    InvalidAction when things are such by now that it can't be done."""
    before = State(row.state)
    if row.supersedes is not None and row.supersedes.state in approval.LIVE:
        _replace(row.supersedes, by=row, now=now)
    action = ledger.action_of(row)
    faults = actions.validate(action, setup=surroundings.read(now=now))
    if faults:
        raise InvalidAction(faults)
    row.pin_id, row.applied_at = uuid4(), now
    try:
        pins.put(
            **actions.to_pin(action),
            reason=row.reason,
            author=(row.broken_by or row.requested_by).username,
            starts_at=now,
            ends_at=row.ends_at,
            now=now,
            pin_id=row.pin_id,
        )
    except InvalidPin as error:
        raise InvalidAction([Fault(name, "invalid_pin", words) for name, words in error.errors]) from error
    ledger.write(row, case)
    approvers = row.approvals.filter(version=row.version, decision=Decision.APPROVED)
    ledger.note(
        row,
        verb="applied",
        before=before,
        reason=row.reason,
        more={"pin": str(row.pin_id), "ends_at": row.ends_at},
        approved_by=list(approvers.values_list("approver__username", flat=True)),
        now=now,
    )


def replace_others(terms: Terms, row: DegradationRequest, *, now: datetime) -> None:
    """Ends every live request that conflicts with ``terms``, those of ``row``."""
    for other in ledger.conflicting(terms, but_for=row.pk, now=now):
        _replace(other, by=row, now=now)


def _replace(other: DegradationRequest, *, by: DegradationRequest, now: datetime) -> None:
    before = State(other.state)
    words = _("replaced by #%(number)d") % {"number": by.pk}
    end(other, move=Move.SUPERSEDE, cause=EndCause.SUPERSEDED, reason=words, now=now)
    ledger.note(other, verb="superseded", before=before, reason=words, more={"by": by.pk}, now=now)


def end(
    row: DegradationRequest, *, move: Move, cause: EndCause, reason: Sayable = "", by: User | None = None, now: datetime
) -> None:
    """Ends what is in force (or, superseded, on its way). Raises MoveRefused when it is not. Ending the pin a second
    time would change nothing."""
    case = approval.move(ledger.case_of(row), move, by=None, now=now)
    if row.pin_id is not None:
        pins.end(pin_id=row.pin_id, now=now)
    row.ended_at, row.end_cause, row.end_reason, row.ended_by = now, cause, reason, by
    ledger.write(row, case)


# --- what falls due ---------------------------------------------------------------------------------------------------


def run_due(*, now: datetime) -> int:
    """Applies, expires and lapses whatever is due; returns how many requests moved. Idempotent, and harmless when
    several do it: each request is looked at again under the lock. One query when nothing is due."""
    live = list(DegradationRequest.objects.filter(state__in=approval.LIVE).order_by("pk"))
    gone = _without_target(live)
    moved = 0
    for row in live:
        if row.pk in gone or _is_due(row, now):
            with apart(f"steering: request {row.pk}", log=logger), transaction.atomic():
                moved += _settle(row.pk, target_gone=row.pk in gone, now=now)
    return moved


def _is_due(row: DegradationRequest, now: datetime) -> bool:
    if row.ends_at <= now:
        return True
    if row.state == State.PENDING:
        return row.approve_by is not None and row.approve_by <= now
    return row.state == State.APPROVED and (row.starts_at is None or row.starts_at <= now)


def _without_target(live: list[DegradationRequest]) -> set[int]:
    """Those in force whose target was deleted meanwhile."""
    active = [row for row in live if row.state == State.ACTIVE]
    if not active:
        return set()
    setup = surroundings.names()
    return {row.pk for row in active if not actions.has_target(ledger.action_of(row), setup=setup)}


def _settle(pk: int, *, target_gone: bool, now: datetime) -> bool:
    """What is due for one request; whether there was anything."""
    row = ledger.lock(pk)
    before = State(row.state)
    if before is State.ACTIVE and row.ends_at <= now:
        end(row, move=Move.EXPIRE, cause=EndCause.EXPIRED, now=now)
        ledger.note(row, verb="expired", before=before, now=now)
    elif before is State.ACTIVE and target_gone:
        words = _("its target no longer exists")
        end(row, move=Move.REVERT, cause=EndCause.TARGET_GONE, reason=words, now=now)
        ledger.note(row, verb="target_gone", before=before, reason=words, now=now)
    elif before in {State.PENDING, State.APPROVED} and _is_due(row, now):
        _begin_or_lapse(row, now=now)
    else:
        return False
    return True


def _begin_or_lapse(row: DegradationRequest, *, now: datetime) -> None:
    if row.ends_at <= now:
        _lapse(row, reason=_("its time is over"), now=now)
    elif row.state == State.PENDING:
        _lapse(row, reason=_("nobody approved it in time"), now=now)
    elif now - max(row.starts_at or now, row.approved_at or now) > approval.START_WAITS:
        _lapse(row, reason=_("its start is too long ago"), now=now)
    else:
        try:
            with transaction.atomic():
                begin_if_due(row, now=now)
        except InvalidAction as error:
            row.refresh_from_db()
            _lapse(row, reason=error.words, now=now)


def _lapse(row: DegradationRequest, *, reason: Sayable, now: datetime) -> None:
    before = State(row.state)
    row.end_reason = reason
    ledger.write(row, approval.move(ledger.case_of(row), Move.LAPSE, by=None, now=now))
    ledger.note(row, verb="lapsed", before=before, reason=reason, now=now)
