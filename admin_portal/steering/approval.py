"""Who may make a request do what, and when: pure.

    draft → pending → approved → active → ended
    with rejected, withdrawn and lapsed for those that never get there

A request is a ``Case`` here. A move is made by ``move``, which gives the case afterwards or refuses with the reason in
words. Approvals are bound to what was approved (``version``): whoever changes the request begins anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from admin_portal.models.requests import RequestState
from admin_portal.models.requests import Severity as Severity
from admin_portal.steering.actions import Kind
from admin_portal.steering.errors import MoveRefused

#: Where a request is.
State = RequestState
#: How long a request waits for its approvers, past its start if that is later; how long an approval waits for the
#: others that are needed; how long what is approved may be late with its start.
APPROVAL_WAIT: Final = timedelta(hours=24)
APPROVAL_COUNTS: Final = timedelta(hours=24)
START_WAITS: Final = timedelta(hours=24)
#: How long a break-glass may go unreviewed before it shows as overdue.
REVIEW_WITHIN: Final = timedelta(hours=24)
SHORTEST: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(days=7)
FURTHEST: Final = timedelta(days=30)


class Move(StrEnum):
    """What can be done to a request."""

    CHANGE = "change"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    APPLY = "apply"
    BREAK_GLASS = "break_glass"
    LAPSE = "lapse"
    EXPIRE = "expire"
    REVERT = "revert"
    SUPERSEDE = "supersede"


#: Live requests stand in the way of others on the same target.
LIVE: Final = frozenset({State.PENDING, State.APPROVED, State.ACTIVE})
#: From which states each move goes, and whither (approving and changing go on to *approved* when nothing is missing).
TRANSITIONS: Final[Mapping[Move, Mapping[State, State]]] = MappingProxyType(
    {
        Move.CHANGE: {
            State.DRAFT: State.DRAFT,
            State.PENDING: State.PENDING,
            State.APPROVED: State.PENDING,
        },
        Move.SUBMIT: {State.DRAFT: State.PENDING},
        Move.APPROVE: {State.PENDING: State.PENDING},
        Move.REJECT: {State.PENDING: State.REJECTED, State.APPROVED: State.REJECTED},
        Move.WITHDRAW: {
            State.DRAFT: State.WITHDRAWN,
            State.PENDING: State.WITHDRAWN,
            State.APPROVED: State.WITHDRAWN,
        },
        Move.APPLY: {State.APPROVED: State.ACTIVE},
        Move.BREAK_GLASS: {State.DRAFT: State.ACTIVE, State.PENDING: State.ACTIVE, State.APPROVED: State.ACTIVE},
        Move.LAPSE: {State.PENDING: State.LAPSED, State.APPROVED: State.LAPSED},
        Move.EXPIRE: {State.ACTIVE: State.ENDED},
        Move.REVERT: {State.ACTIVE: State.ENDED},
        Move.SUPERSEDE: {State.PENDING: State.ENDED, State.APPROVED: State.ENDED, State.ACTIVE: State.ENDED},
    }
)

_NONE_NEEDED: Final = {Kind.SHED_BULK}
_TWO_FROM_MEDIUM: Final = {Kind.SWITCH_CHANNEL, Kind.PAUSE}


def needed_by_default(*, severity: Severity, kind: Kind) -> int:
    """How many approvers it takes where administrators have set nothing else: holding back a little bulk nobody, what
    takes a whole channel or hurts many two, anything else one."""
    if severity is Severity.LOW:
        return 0 if kind in _NONE_NEEDED else 1
    if severity is Severity.HIGH:
        return 1 if kind in _NONE_NEEDED else 2
    return 2 if kind in _TWO_FROM_MEDIUM else 1


@dataclass(frozen=True, slots=True)
class Approved:
    """An approval: by whom, of which version, and when."""

    by: int
    version: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, as far as approving goes. People are ids of users; ``needed`` is fixed when it is submitted."""

    state: State = State.DRAFT
    requester: int
    needed: int = 1
    version: int = 1
    approvals: tuple[Approved, ...] = ()
    broke_glass: bool = False

    def counting(self, *, now: datetime) -> tuple[Approved, ...]:
        """The approvals that count: of this version, not the requester's own, and fresh, unless there were enough
        of them when they were: what has been approved stays so until its start."""
        return tuple(
            one
            for one in self.approvals
            if one.version == self.version
            and one.by != self.requester
            and (self.state is not State.PENDING or now - one.at < APPROVAL_COUNTS)
        )

    def missing(self, *, now: datetime) -> int:
        """How many distinct approvers are still to come."""
        return max(0, self.needed - len({one.by for one in self.counting(now=now)}))


def move(case: Case, step: Move, *, by: int | None, now: datetime, needed: int | None = None) -> Case:
    """The case after ``step`` by the user ``by`` (None: the platform itself). ``needed`` is given with *submit* and
    *change*: how many approvers it takes from now on. Raises MoveRefused. Permissions are the caller's to check."""
    after = TRANSITIONS[step].get(case.state)
    if after is None:
        raise MoveRefused(_impossible(case.state, step), code=f"{step}_{case.state}")
    _check_person(case, step, by, now)
    if step is Move.CHANGE:
        case = replace(case, version=case.version + 1)
    if step is Move.APPROVE and by is not None:
        case = replace(case, approvals=(*case.approvals, Approved(by, case.version, now)))
    if needed is not None:
        case = replace(case, needed=needed)
    if step is Move.APPLY and case.missing(now=now):
        raise MoveRefused(_("It lacks approvals."), code="not_approved")
    if after is State.PENDING and not case.missing(now=now):
        after = State.APPROVED
    broke_glass = case.broke_glass or step is Move.BREAK_GLASS
    return replace(case, state=after, broke_glass=broke_glass)


def _check_person(case: Case, step: Move, by: int | None, now: datetime) -> None:
    own = by == case.requester
    if step in {Move.CHANGE, Move.SUBMIT, Move.WITHDRAW} and not own:
        raise MoveRefused(_("Only the person who requested it can do this."), code="not_the_requester")
    if step is Move.APPROVE and own:
        raise MoveRefused(_("Nobody approves a request of their own."), code="own_request")
    if step is Move.REJECT and own:
        raise MoveRefused(_("This is your own request: withdraw it instead."), code="own_request")
    if step is Move.APPROVE and by in {one.by for one in case.counting(now=now)}:
        raise MoveRefused(_("You have approved this already."), code="approved_already")


def _impossible(state: State, step: Move) -> str | Promise:
    """Why ``step`` does not go from ``state``."""
    if step is Move.CHANGE and state is State.ACTIVE:
        return _("It is in force: it can't be changed any more, only ended.")
    words: dict[State, str | Promise] = {
        State.DRAFT: _("It is a draft: it has not been sent for approval."),
        State.PENDING: _("It still waits for approval."),
        State.APPROVED: _("It has been approved already."),
        State.ACTIVE: _("It is in force already."),
        State.ENDED: _("It has ended."),
        State.REJECTED: _("It has been rejected."),
        State.WITHDRAWN: _("It has been withdrawn."),
        State.LAPSED: _("It has lapsed: its time for approval, or its own, is over."),
    }
    return words[state]


# --- the window, and what is bound by an approval ---------------------------------------------------------------------


def faults_of_window(
    *, starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> dict[str, str | Promise]:
    """What is wrong with the time from ``starts_at`` (None: at once) to ``ends_at``, by the field it is wrong with."""
    if ends_at is None:
        return {"ends_at": _("Say when it ends. Nothing here lasts for ever.")}
    begins = max(starts_at or now, now)
    if ends_at <= now:
        return {"ends_at": _("This end is in the past.")}
    if ends_at <= begins:
        return {"ends_at": _("It must end after it starts.")}
    if ends_at - begins < SHORTEST:
        return {"ends_at": _("It must last at least 15 minutes.")}
    if ends_at - begins > LONGEST:
        return {"ends_at": _("It may last 7 days at most.")}
    if begins - now > FURTHEST:
        return {"starts_at": _("It may start 30 days from now at the latest.")}
    return {}


def approve_by(*, starts_at: datetime | None, ends_at: datetime, now: datetime) -> datetime:
    """Until when a request that is submitted now waits for its approvers."""
    return min(max(now, starts_at or now) + APPROVAL_WAIT, ends_at)


def digest(content: Mapping[str, Any]) -> str:
    """What an approval is bound to: the hash of everything an approver sees of a request."""
    written = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()
