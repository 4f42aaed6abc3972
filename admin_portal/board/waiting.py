"""What waits for this person: approvals, reviews, plans that nobody has rehearsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, F, OuterRef, Q

from admin_portal.drills import queries as drills
from admin_portal.models.requests import Approval, DegradationRequest, RequestState, Review
from admin_portal.plans import queries as plans

#: More than this is "many".
_CAP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many of each wait. None: not for this person. ``runs``: of plans, to be approved, ``run_reviews``: begun
    without approval; ``proposals``: plans that their triggers speak for. ``…_late``: one of them is over its time.
    ``drill``: the one that is under way; empty: none."""

    approvals: int | None = None
    runs: int | None = None
    reviews: int | None = None
    reviews_late: bool = False
    run_reviews: int | None = None
    run_reviews_late: bool = False
    proposals: Sequence[str] = ()
    overdue_plans: int | None = None
    drill: str = ""


def find(user: User | AnonymousUser, *, now: datetime) -> Waiting:
    """At most seven queries."""
    found = decisions(user, now=now)
    if user.has_perm("admin_portal.view_drillrun"):
        live = drills.live_run()
        found = replace(found, drill="" if live is None else f"{live.drill}: {live.get_phase_display()}")
    if not user.has_perm("admin_portal.view_plan"):
        return found
    return replace(
        found,
        proposals=[f"{one.plan}: {one.words}" for one in plans.proposals()],
        overdue_plans=len(plans.overdue(now)),
    )


def decisions(user: User | AnonymousUser, *, now: datetime) -> Waiting:
    """Of these only what this person has to decide on. Four queries, none for those who may not."""
    if not isinstance(user, User) or not user.has_perm("admin_portal.approve_degradation"):
        return Waiting()
    reviews, of_runs = _reviews(user), plans.reviews(user)
    return Waiting(
        approvals=_approvals(user, now=now),
        runs=len(plans.awaiting(user)),
        reviews=len(reviews),
        reviews_late=_is_late(reviews, now),
        run_reviews=len(of_runs),
        run_reviews_late=_is_late(of_runs, now),
    )


def _is_late(reviews: Sequence[datetime | None], now: datetime) -> bool:
    return any(due_at is not None and due_at <= now for due_at in reviews)


def _approvals(user: User, *, now: datetime) -> int:
    """Requests of others that still can be approved, and that this person has said nothing of."""
    said = Approval.objects.filter(request=OuterRef("pk"), version=OuterRef("version"), approver=user.pk)
    rows = DegradationRequest.objects.filter(~Exists(said), state=RequestState.PENDING).exclude(requested_by=user.pk)
    return len(rows.filter(Q(approve_by=None) | Q(approve_by__gt=now)).values_list("pk", flat=True)[:_CAP])


def _reviews(user: User) -> list[datetime | None]:
    """When each is due: of break-glasses by others."""
    rows = DegradationRequest.objects.filter(~Q(broken_by=user.pk), review=Review.DUE)
    return list(rows.order_by(F("review_due_at").asc(nulls_last=True)).values_list("review_due_at", flat=True)[:_CAP])
