"""What there is to do in this room, in one question: it is asked every second by every process that steers, and nearly
always the answer is: nothing."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet, Value

from admin_portal.models.desk import OPEN_STATES, DeskJob
from admin_portal.models.drills import Drill, DrillRun
from admin_portal.models.plans import LIVE_STATES, PlanRun
from admin_portal.models.requests import DegradationRequest, Review, Summons
from admin_portal.steering import approval


class Part(StrEnum):
    """The parts that have work of their own."""

    REQUESTS = "requests"
    CALLS = "calls"
    RUNS = "runs"
    JOBS = "jobs"
    DRILLS = "drills"


def look(*, now: datetime) -> frozenset[Part]:
    """The parts in which something is alive; each of them finds out by itself what is due. One query."""
    rows: tuple[tuple[Part, QuerySet[Any]], ...] = (
        (Part.REQUESTS, DegradationRequest.objects.filter(state__in=approval.LIVE)),
        (Part.CALLS, DegradationRequest.objects.filter(review=Review.DUE, review_due_at__lte=now)),
        (Part.CALLS, PlanRun.objects.filter(review=Review.DUE, review_due_at__lte=now)),
        (Part.CALLS, Summons.objects.filter(settled_at=None, try_at__lte=now)),
        (Part.RUNS, PlanRun.objects.filter(state__in=LIVE_STATES)),
        (Part.JOBS, DeskJob.objects.filter(state__in=OPEN_STATES)),
        (Part.DRILLS, DrillRun.objects.filter(is_live=True)),
        (Part.DRILLS, Drill.objects.filter(next_at__lte=now, retired_at=None)),
    )
    first, *others = (found.order_by().annotate(part=Value(part.value)).values_list("part")[:1] for part, found in rows)
    return frozenset(Part(part) for (part,) in first.union(*others, all=True))
