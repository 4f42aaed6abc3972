"""The stage of a run: which channels are played on it, opened and closed. What a stage is, says ``channels.stages``."""

from __future__ import annotations

from datetime import datetime

from admin_portal.drills import load
from admin_portal.drills.progress import Schedule
from admin_portal.drills.terms import Terms
from admin_portal.kept_words import Sayable
from admin_portal.kept_words import Words as _
from admin_portal.models import DrillRun, PlanVersion
from admin_portal.plans import steps
from admin_portal.steering import surroundings
from admin_portal.steering.actions import Action, Setup
from channels import stages
from channels.degradation import pin, pins
from channels.names import CHANNELS


def channels_of(terms: Terms, *, version: PlanVersion | None, now: datetime) -> list[str]:
    """The channels that a drill plays on: the one that something happens to, those that its messages may go over
    instead, and those that its plan is about. Without those that nobody carries."""
    setup = surroundings.read(now=now)
    wanted = [terms.channel, *setup.fallback.get(terms.channel, ())]
    if version is not None:
        for action in steps.actions_of(steps.read(version.steps)):
            wanted += _channels_of(action, setup)
    carried = {one.channel for one in setup.providers.values() if one.enabled}
    return [name for name in dict.fromkeys(wanted) if name in CHANNELS and name in carried]


def _channels_of(action: Action, setup: Setup) -> list[str]:
    found = [action.channel, str(action.parameters.get("to", ""))]
    if action.target.startswith("channel:"):
        found.append(action.target_name)
    elif action.target.startswith("provider:") and action.target_name in setup.providers:
        found.append(setup.providers[action.target_name].channel)
    return found


def obstacle(terms: Terms, *, version: PlanVersion | None, now: datetime) -> Sayable:
    """Why a drill could measure nothing now, whatever it says, in words; empty: nothing stands in its way."""
    if version is not None and version.plan.retired_at is not None:
        return _("Its plan is retired.")
    if pin.holds_lane(pins.active(now=now), channel=terms.channel, priority=load.PRIORITY):
        words = _("%(channel)s is paused by somebody's order: nothing in its lanes is fetched, tests neither.")
        return words % {"channel": terms.channel}
    return ""


def open_for(run: DrillRun, terms: Terms, schedule: Schedule) -> None:
    """Opens the stage of ``run``. Raises IntegrityError when another one is open."""
    stages.open_stage(
        stage_id=run.pk,
        channels=run.channels,
        fault=terms.fault,
        provider=terms.provider,
        parameters=terms.parameters,
        share=terms.share,
        application=load.APPLICATION,
        opens_at=schedule.opens_at,
        faulty_from=schedule.faulty_from,
        faulty_until=schedule.faulty_until,
        closes_at=schedule.closes_at,
    )


def close_for(run: DrillRun, *, now: datetime) -> bool:
    """Restores: from here on nothing is played. Says whether the stage was open. Idempotent."""
    return stages.close(stage_id=run.pk, now=now)
