"""What a call to an approver is about, a request or a run of a plan: read from its row, in words and as actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from admin_portal.durations import span
from admin_portal.models import DegradationRequest, PlanRun, Summons
from admin_portal.models.requests import Occasion, Review
from admin_portal.steering import action_words, ledger
from admin_portal.steering.actions import Action
from admin_portal.steering.approval import State

#: Where it is looked at. Written out: whoever resolves URLs loads all pages, and workers do without them.
REQUEST_PAGE: Final = "/admin/admin_portal/degradationrequest/{}/change/"
RUN_PAGE: Final = "/admin/admin_portal/planrun/{}/change/"

Row = DegradationRequest | PlanRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """``actions``: what it does to traffic. ``page``: the path where it is decided on."""

    actions: Sequence[Action]
    who: str
    what: str
    why: str
    severity: str
    until: str
    page: str


def row_of(call: Summons) -> Row:
    """What ``call`` is about. Raises ValueError for a call about nothing, which the database refuses to hold."""
    row = call.request or call.run
    if row is None:
        raise ValueError(f"the call {call.pk} is about nothing")
    return row


def is_true(call: Summons) -> bool:
    """Whether what it calls about is still so."""
    row = row_of(call)
    if call.occasion == Occasion.APPROVAL:
        # A run is not changed while it waits.
        is_same = isinstance(row, PlanRun) or row.version == call.version
        return row.state == State.PENDING and is_same
    return row.review == Review.DUE


def read(call: Summons) -> Subject:
    """What ``call`` is about, in the current language."""
    row = row_of(call)
    common: dict[str, Any] = {
        "who": _name(row.broken_by or row.requested_by),
        "why": row.break_reason or row.reason,
        "severity": row.get_severity_display(),
        "until": _until(row),
    }
    if isinstance(row, DegradationRequest):
        action = ledger.action_of(row)
        what = f"#{row.pk} {action_words.describe(action)}"
        return Subject(actions=[action], what=what, page=REQUEST_PAGE.format(row.pk), **common)
    what = str(ledger.name_of_run(row))
    return Subject(actions=ledger.actions_of_run(row), what=what, page=RUN_PAGE.format(row.pk), **common)


def _until(row: Row) -> str:
    if row.ends_at is not None:
        return f"{localtime(row.ends_at):%Y-%m-%d %H:%M %Z}"
    # Only a run that has not begun has no end yet.
    lasts_s = row.lasts_s if isinstance(row, PlanRun) else 0
    return _("%(time)s after it begins") % {"time": span(lasts_s)}


def _name(person: User) -> str:
    return person.get_full_name() or person.username
