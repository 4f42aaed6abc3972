"""What the list and the page of plans show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from admin_portal.models import DrillRun, Plan, PlanVersion
from admin_portal.models.drills import DrillOutcome
from admin_portal.plans import conditions, queries, runbook, steps
from admin_portal.plans.conditions import Condition

_RUNS: Final = 10
_VERSIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What a version says, in words."""

    version: PlanVersion
    steps: list[str]
    trigger: str
    runbook: str


def says(version: PlanVersion) -> Says:
    """``version`` in the reader's language."""
    return Says(
        version=version,
        steps=[steps.describe(one) for one in steps.read(version.steps)],
        trigger=trigger_in_words(version.trigger),
        runbook=runbook.render(version.runbook),
    )


def trigger_in_words(trigger: Mapping[str, Any] | None) -> str:
    """The condition that proposes the plan; empty: none does."""
    return "" if trigger is None else conditions.describe(Condition.from_json(trigger))


def is_overdue(plan: Plan, *, now: datetime) -> bool:
    """Whether nobody has rehearsed it for too long."""
    return plan.retired_at is None and queries.rehearsal_due_at(plan) <= now


def last_rehearsal(plan: Plan) -> DrillRun | None:
    """The last drill that it passed, whichever version that was."""
    passed = DrillRun.objects.filter(plan_version__plan=plan, outcome=DrillOutcome.PASSED)
    return passed.select_related("plan_version").order_by("-reported_at").first()


def context(plan: Plan, *, now: datetime) -> dict[str, Any]:
    """What the page of ``plan`` shows besides the frame."""
    versions = list(plan.versions.order_by("-number")[:_VERSIONS])
    return {
        "plan": plan,
        "says": says(versions[0]),
        "versions": versions,
        "runs": plan.runs.select_related("version", "requested_by").order_by("-pk")[:_RUNS],
        "proposals": plan.proposals.filter(closed_at=None),
        "due_at": queries.rehearsal_due_at(plan),
        "rehearsal": last_rehearsal(plan),
        "is_overdue": is_overdue(plan, now=now),
    }
