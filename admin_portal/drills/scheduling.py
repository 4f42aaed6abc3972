"""Drills that start by themselves: every so many days, at a time of the day."""

from __future__ import annotations

import logging
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils.timezone import get_current_timezone, localtime
from django.utils.translation import gettext as _

from admin_portal import audit
from admin_portal.drills import ledger
from admin_portal.models import Drill, DrillRun, PlanVersion

logger = logging.getLogger(__name__)

#: What could not be started within this time of its moment waits for its next: nobody expects it any more.
_LATEST: Final = timedelta(hours=1)


def next_after(now: datetime, *, at: time, days: int = 0) -> datetime:
    """The first moment after ``now`` at which the clock says ``at`` where the portal is, at least ``days`` days on."""
    zone = get_current_timezone()
    day = localtime(now).date() + timedelta(days=days)
    found = datetime.combine(day, at, tzinfo=zone)
    return found if found > now else datetime.combine(day + timedelta(days=1), at, tzinfo=zone)


def start_due(*, now: datetime) -> int:
    """Starts the first drill that is due, if none is under way; returns how many were started. Idempotent: a drill is
    locked, and its next moment set, together with the start. One query when none is due."""
    due = Drill.objects.filter(next_at__lte=now, retired_at=None).order_by("next_at").values_list("pk", flat=True)
    started = 0
    for drill_id in list(due):
        with transaction.atomic():
            started += _start(drill_id, now=now)
    return started


def _start(drill_id: int, *, now: datetime) -> bool:
    drill = ledger.lock_drill(drill_id)
    if drill.next_at is None or drill.next_at > now or drill.at is None or drill.every_days is None:
        return False
    late = now - drill.next_at > _LATEST
    if not late and DrillRun.objects.filter(is_live=True).exists():
        return False  # its turn comes when the other one is over
    drill.next_at = next_after(now, at=drill.at, days=drill.every_days)
    drill.save(update_fields=["next_at"])
    if late:
        audit.record(
            actor=audit.PLATFORM,
            action="drill.missed",
            target=f"drill:{drill.name}",
            reason=_("it could not be started within an hour of its time"),
            now=now,
        )
        return False
    run = create_run(drill, by=drill.author.username, is_scheduled=True, now=now)
    ledger.note(run, verb="scheduled", reason=_("by its schedule"), now=now)
    return True


def version_of(drill: Drill) -> PlanVersion | None:
    """What its plan says now, if it has one."""
    return None if drill.plan is None else drill.plan.versions.select_related("plan").order_by("-number").first()


def create_run(
    drill: Drill, *, by: str, now: datetime, is_scheduled: bool = False, form_token: UUID | None = None
) -> DrillRun:
    """The row of a run that is about to begin, with the drill locked. Raises IntegrityError when another one is under
    way."""
    return DrillRun.objects.create(
        form_token=form_token or uuid4(),
        drill=drill,
        terms=drill.terms,
        plan_version=version_of(drill),
        started_by=by,
        is_scheduled=is_scheduled,
        asked_at=now,
    )
