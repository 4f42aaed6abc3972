"""A run's row: locked, read as the pure modules see it, and put into the audit. For the verbs of this room alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from admin_portal import audit
from admin_portal.drills.progress import Schedule, Standing
from admin_portal.drills.terms import Terms
from admin_portal.kept_words import Sayable, in_english
from admin_portal.models import Drill, DrillRun
from admin_portal.models.drills import MOMENTS, DrillPhase
from admin_portal.steering import ledger as steering
from admin_portal.steering.errors import MoveRefused


def take_turn() -> None:
    """Waits until nobody else decides on drills, plans or degradations."""
    steering.be_the_one()


def lock(run_id: UUID) -> DrillRun:
    """The run, locked. Raises MoveRefused when there is none."""
    rows = DrillRun.objects.select_for_update(of=("self",)).select_related("drill", "plan_version__plan")
    run = rows.filter(pk=run_id).first()
    if run is None:
        raise MoveRefused(_("There is no such run."), code="unknown")
    return run


def lock_drill(drill_id: int) -> Drill:
    """The drill, locked, and nobody else decides meanwhile. Raises MoveRefused when there is none, or when it is
    retired."""
    take_turn()
    drill = Drill.objects.select_for_update(of=("self",)).select_related("plan", "author").filter(pk=drill_id).first()
    if drill is None:
        raise MoveRefused(_("There is no such drill."), code="unknown")
    if drill.retired_at is not None:
        raise MoveRefused(_("This drill is retired."), code="retired")
    return drill


def terms_of(run: DrillRun) -> Terms:
    """What it began with."""
    return Terms.from_json(run.terms)


def schedule_of(run: DrillRun) -> Schedule | None:
    """When what happens; None before it has begun."""
    moments = (run.opened_at, run.faulty_from, run.faulty_until, run.load_until, run.closes_at)
    opens_at, faulty_from, faulty_until, load_until, closes_at = moments
    if opens_at is None or faulty_from is None or faulty_until is None or load_until is None or closes_at is None:
        return None
    return Schedule(
        opens_at=opens_at,
        load_from=Schedule.load_begins(opens_at),
        faulty_from=faulty_from,
        faulty_until=faulty_until,
        load_until=load_until,
        closes_at=closes_at,
    )


def standing_of(run: DrillRun, *, settled: bool, looked: bool = True) -> Standing:
    """A run as ``progress`` sees it."""
    return Standing(
        phase=DrillPhase(run.phase),
        schedule=schedule_of(run),
        driven_until=run.driven_until,
        settled=settled,
        ended=bool(run.outcome),
        looked=looked,
    )


def enter(run: DrillRun, phase: DrillPhase, *, now: datetime) -> None:
    """Moves the row into ``phase``; the caller saves it."""
    run.phase = phase
    setattr(run, MOMENTS[phase], now)


def note(
    run: DrillRun,
    *,
    verb: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    actor: str = "",
    origin: str = "",
    reason: Sayable = "",
    more: Mapping[str, Any] | None = None,
) -> None:
    """Writes into the audit what was done to ``run``: last in its transaction. Without an ``actor`` it was the platform
    itself."""
    audit.record(
        actor=actor or audit.PLATFORM,
        origin=origin,
        action=f"drill.run.{verb}",
        target=f"drill_run:{run.pk}",
        before=before,
        after={**status(run), "drill": run.drill.name, **(more or {})},
        reason=in_english(reason),
        now=now,
    )


def note_drill(
    drill: Drill,
    *,
    verb: str,
    now: datetime,
    actor: str,
    origin: str,
    before: Mapping[str, Any] | None = None,
) -> None:
    """Writes into the audit what was done to ``drill``: last in its transaction."""
    audit.record(
        actor=actor,
        origin=origin,
        action=f"drill.{verb}",
        target=f"drill:{drill.name}",
        before=before,
        after=content(drill),
        now=now,
    )


def content(drill: Drill) -> dict[str, Any]:
    """What a drill says, for the audit."""
    return {
        "title": drill.title,
        "owner": drill.owner,
        "plan": drill.plan.name if drill.plan is not None else "",
        "terms": drill.terms,
        "every_days": drill.every_days,
        "at": f"{drill.at:%H:%M}" if drill.at else "",
    }


def status(run: DrillRun) -> dict[str, str]:
    """Where it is, for the audit."""
    return {"phase": str(run.phase), "outcome": str(run.outcome)}
