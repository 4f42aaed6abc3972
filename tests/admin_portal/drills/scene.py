"""A drill with everything around it, for tests: who runs it, and how its time passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User

from admin_portal.drills import controls, editing, running
from admin_portal.drills.editing import Draft
from admin_portal.drills.terms import Terms
from admin_portal.models import AuditEntry, Drill, DrillRun
from admin_portal.plans import running as plans
from channels.names import FaultKind
from notify import dispatch
from tests.admin_portal.steering import scene
from tests.factories import now

ORIGIN = "192.0.2.7"
set_up = scene.set_up
_AT_ONCE = 8


def runner(name: str = "wang") -> User:
    """May write drills and run them."""
    return User.objects.filter(username=name).first() or scene.person(name, "run_drill", "view_drill", "view_drillrun")


def terms(**values: Any) -> Terms:
    """sms-a fails; 10 s before, 20 s of it, 10 s after."""
    given = {
        "channel": "sms",
        "provider": "sms-a",
        "rate_per_s": 1,
        "warm_s": 10,
        "fault_s": 20,
        "recover_s": 10,
    }
    return Terms(**{**given, **values, "fault": FaultKind(values.get("fault", FaultKind.ERRORS))})


def draft(
    *, plan: str = "", every_days: int | None = None, at: Any = None, owner: str = "wang", **values: Any
) -> Draft:
    """A drill as somebody wrote it."""
    return Draft(title="sms-a fails", owner=owner, plan=plan, every_days=every_days, at=at, terms=terms(**values))


def drill(name: str = "sms-a-fails", **values: Any) -> Drill:
    """A drill."""
    return editing.create(name=name, draft=draft(**values), by=runner(), origin=ORIGIN, now=now())


def start(drill: Drill, *, at: datetime | None = None, by: User | None = None, **values: Any) -> DrillRun:
    """Starts it."""
    given = {"seen_at": drill.changed_at, "form_token": uuid4(), **values}
    return controls.start(drill_id=drill.pk, by=by or runner(), origin=ORIGIN, now=at or now(), **given)


def pass_time(run: DrillRun, *, since: datetime, until: datetime) -> DrillRun:
    """Drives it each second, as the control worker does, beside workers that hand over what was sent."""
    seconds = 0
    while since + timedelta(seconds=seconds) <= until:
        running.advance(run.pk, now=since + timedelta(seconds=seconds))
        plans.run_due(now=since + timedelta(seconds=seconds))
        seconds += 1
        # Never more at once than the providers have room for: none waits then.
        if seconds % _AT_ONCE == 0:
            deliver()
    deliver()
    return fresh(run)


def deliver() -> None:
    """What workers do: everything that is due is handed over."""
    for lane in ("sms.normal", "inapp.normal"):
        while dispatch.drain(lane=lane, worker="test", stopping=lambda: False):
            pass


def fresh(run: DrillRun) -> DrillRun:
    """As it stands in the database."""
    return DrillRun.objects.select_related("drill", "drill__plan", "plan_run").get(pk=run.pk)


def audited() -> list[str]:
    """What the audit has of runs, in order."""
    rows = AuditEntry.objects.filter(action__startswith="drill.run.").order_by("number")
    return [action.removeprefix("drill.run.") for action in rows.values_list("action", flat=True)]
