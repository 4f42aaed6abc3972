"""A plan with everything around it, for tests: who wrote it, who runs it, and how its time passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User

from admin_portal.models import AuditEntry, Plan, PlanRun
from admin_portal.plans import editing, requests, running
from admin_portal.plans.editing import Draft
from admin_portal.plans.requests import Wish
from admin_portal.steering.approval import Severity
from channels.degradation import pins
from tests.admin_portal.steering import scene
from tests.factories import now

ORIGIN = "192.0.2.7"
#: Shed bulk, wait a minute, disable a provider.
TWO_ACTIONS = """
- {do: shed_bulk, target: "channel:sms"}
- wait: 60s
- {do: disable_provider, target: "provider:sms-a"}
"""
ASKS = """
- {do: shed_bulk, target: "channel:sms"}
- ask: Does the provider confirm it?
- {do: disable_provider, target: "provider:sms-a"}
"""


def author(name: str = "chen") -> User:
    """May write plans."""
    return User.objects.filter(username=name).first() or scene.person(name, "edit_plan", "view_plan")


def runner(name: str = "wang") -> User:
    """May run them."""
    return User.objects.filter(username=name).first() or scene.person(name, "run_plan", "view_plan", "view_planrun")


def draft(source: str = TWO_ACTIONS, **values: Any) -> Draft:
    """A plan as somebody wrote it."""
    return Draft(**{"title": "SMS is slow", "owner": author().username, "source": source, **values})


def plan(source: str = TWO_ACTIONS, *, name: str = "slow-sms", **values: Any) -> Plan:
    """A plan."""
    return editing.create(name=name, draft=draft(source, **values), by=author(), origin=ORIGIN, now=now())


def ask(plan: Plan, *, by: User | None = None, at: datetime | None = None, **values: Any) -> PlanRun:
    """Asks for a run of the newest version."""
    wish: dict[str, Any] = {
        "version": plan.versions.order_by("-number")[0].number,
        "reason": "it is slow",
        "severity": Severity.MEDIUM,
        "lasts": timedelta(hours=1),
        # There is no traffic here: critical messages would have a way, but nobody has seen one take it.
        "stranding_confirmed": False,
        **values,
    }
    return requests.ask(
        plan_id=plan.pk, wish=Wish(**wish), form_token=uuid4(), by=by or runner(), origin=ORIGIN, now=at or now()
    )


def approve(run: PlanRun, *names: str) -> PlanRun:
    """These say yes."""
    for name in names or ("li",):
        person = User.objects.filter(username=name).first() or scene.approver(name)
        run = requests.approve(run_id=run.pk, by=person, origin=ORIGIN, now=now())
    return run


def started(source: str = TWO_ACTIONS, *, at: datetime | None = None) -> PlanRun:
    """A run that has gone as far as it can."""
    run = approve(ask(plan(source)))
    running.run_due(now=at or now())
    return fresh(run)


def fresh(run: PlanRun) -> PlanRun:
    """As the database has it."""
    return PlanRun.objects.get(pk=run.pk)


def states(run: PlanRun) -> list[str]:
    """Of its steps."""
    return list(run.steps.order_by("position").values_list("state", flat=True))


def pinned(at: datetime | None = None) -> list[str]:
    """What is ordered of whom."""
    return [f"{one.action} {one.target}" for one in pins.active(now=at or now())]


def audited() -> list[str]:
    """What the audit says of plans, in its order."""
    entries = AuditEntry.objects.filter(action__startswith="plan.").order_by("number")
    return [action.removeprefix("plan.") for action in entries.values_list("action", flat=True)]
