"""What others may want to know of plans: the board, the list, the drills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User

from admin_portal.models import Plan, PlanProposal, PlanRun
from admin_portal.models.plans import LIVE_STATES
from admin_portal.models.requests import Review
from admin_portal.steering import people
from admin_portal.steering.approval import State

_AT_MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A plan that ought to have been rehearsed. ``rehearsed_at`` None: it never was."""

    plan: Plan
    rehearsed_at: datetime | None
    days_over: int


def rehearsal_due_at(plan: Plan) -> datetime:
    """When ``plan`` has to be rehearsed next."""
    return (plan.rehearsed_at or plan.created_at) + timedelta(days=plan.rehearse_every_days)


def overdue(now: datetime) -> list[Overdue]:
    """The plans in use that are overdue for a rehearsal, the longest overdue first. One query."""
    found = []
    for plan in Plan.objects.filter(retired_at=None):
        due_at = rehearsal_due_at(plan)
        if due_at <= now:
            found.append(Overdue(plan=plan, rehearsed_at=plan.rehearsed_at, days_over=(now - due_at).days))
    return sorted(found, key=lambda one: (-one.days_over, one.plan.name))


def proposals() -> Sequence[PlanProposal]:
    """What triggers speak for and nobody has answered. One query."""
    return list(PlanProposal.objects.filter(closed_at=None).select_related("plan")[:_AT_MOST])


def live_runs() -> Sequence[PlanRun]:
    """The runs that wait for approval or are in force, rehearsals apart. One query."""
    rows = PlanRun.objects.filter(state__in=LIVE_STATES, drill_id=None)
    return list(rows.select_related("plan", "version", "requested_by").order_by("pk")[:_AT_MOST])


def awaiting(user: User) -> Sequence[PlanRun]:
    """The runs that wait for the approval of ``user``. One query for those who may approve, none for others."""
    if not user.has_perm(people.APPROVE):
        return []
    rows = PlanRun.objects.filter(state=State.PENDING).exclude(requested_by=user).exclude(approvals__approver=user)
    return list(rows.select_related("plan", "requested_by").order_by("pk")[:_AT_MOST])


def reviews(user: User) -> list[datetime | None]:
    """When each review of a run that was begun without approval is due, of those that ``user`` may make. One query for
    those who may approve, none for others."""
    if not user.has_perm(people.APPROVE):
        return []
    rows = PlanRun.objects.filter(review=Review.DUE).exclude(requested_by=user).exclude(broken_by=user)
    return list(rows.order_by("review_due_at").values_list("review_due_at", flat=True)[:_AT_MOST])
