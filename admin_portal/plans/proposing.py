"""Plans whose trigger is true are proposed on the board. Nothing is run by itself: a person decides."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction

from admin_portal import audit
from admin_portal.kept_words import Sayable, Words, in_english
from admin_portal.models import Plan, PlanProposal, PlanRun, PlanVersion
from admin_portal.models.plans import LIVE_STATES
from admin_portal.plans import conditions, observing
from admin_portal.plans.conditions import Condition, Observations
from admin_portal.plans.requests import RUN
from admin_portal.steering import people
from notify.databases import apart

logger = logging.getLogger(__name__)

#: Somebody who dismissed a proposal is not asked again so soon.
_QUIET: Final = timedelta(minutes=30)


def run_due(*, now: datetime) -> int:
    """Proposes plans, and takes proposals back that nothing speaks for any more; returns how many of both.
    Idempotent."""
    triggers = _triggers()
    if not triggers:
        return 0
    seen = observing.read([condition for _plan, condition in triggers], now=now)
    changed = 0
    for plan, condition in triggers:
        if condition.holds(seen) or plan.triggered_since is not None or _has_open(plan):
            with apart(f"plans: trigger of {plan.name}", log=logger), transaction.atomic():
                changed += _judge(plan.pk, condition, seen, now=now)
    return changed


def _triggers() -> list[tuple[Plan, Condition]]:
    """The plans in use with a trigger, as their newest versions have it."""
    newest = PlanVersion.objects.filter(plan__retired_at=None).order_by("plan_id", "-number").distinct("plan_id")
    return [
        (version.plan, Condition.from_json(version.trigger))
        for version in newest.select_related("plan")
        if version.trigger is not None
    ]


def _trigger_of(plan: Plan) -> Any:
    return plan.versions.order_by("-number").values_list("trigger", flat=True).first()


def _has_open(plan: Plan) -> bool:
    return PlanProposal.objects.filter(plan=plan, closed_at=None).exists()


def _judge(plan_id: int, condition: Condition, seen: Observations, *, now: datetime) -> bool:
    plan = Plan.objects.select_for_update().get(pk=plan_id)
    if plan.retired_at is not None or _trigger_of(plan) != condition.as_json():
        return False  # somebody edited it since we looked, and has closed what it proposed
    proposal = PlanProposal.objects.filter(plan=plan, closed_at=None).first()
    if not condition.holds(seen):
        if plan.triggered_since is not None:
            plan.triggered_since = None
            plan.save(update_fields=["triggered_since"])
        return proposal is not None and _close(proposal, by="", now=now)
    if plan.triggered_since is None:
        plan.triggered_since = now
        plan.save(update_fields=["triggered_since"])
    lasted = (now - plan.triggered_since).total_seconds()
    if proposal is not None or lasted < condition.for_s or _is_unwanted(plan, now):
        return False
    shown = conditions.show(condition, seen.get(condition.looks_at))
    words = Words("%(condition)s (%(seen)s)", {"condition": conditions.worded(condition), "seen": shown})
    PlanProposal.objects.create(plan=plan, at=now, words=words)
    _note(plan, "proposed", words, by=audit.PLATFORM, origin="", now=now)
    return True


def _is_unwanted(plan: Plan, now: datetime) -> bool:
    """Whether it is on its way already, or somebody has just said no."""
    running = PlanRun.objects.filter(plan=plan, state__in=LIVE_STATES, drill_id=None).exists()
    dismissed = PlanProposal.objects.filter(plan=plan, closed_at__gt=now - _QUIET).exclude(closed_by="")
    return running or dismissed.exists()


def dismiss(*, proposal_id: int, by: User, origin: str, now: datetime) -> bool:
    """Says no to a proposal; says whether it was still open. Raises NotPermitted."""
    with transaction.atomic():
        person = people.entitled(by, RUN)
        rows = PlanProposal.objects.select_for_update(of=("self",)).select_related("plan")
        proposal = rows.filter(pk=proposal_id, closed_at=None).first()
        return proposal is not None and _close(proposal, by=person.username, origin=origin, now=now)


def _close(proposal: PlanProposal, *, by: str, origin: str = "", now: datetime) -> bool:
    proposal.closed_at, proposal.closed_by = now, by
    proposal.save()
    verb = "proposal_dismissed" if by else "proposal_over"
    _note(proposal.plan, verb, proposal.words, by=by or audit.PLATFORM, origin=origin, now=now)
    return True


def _note(plan: Plan, verb: str, words: Sayable, *, by: str, origin: str, now: datetime) -> None:
    action, target, reason = f"plan.{verb}", f"plan:{plan.name}", in_english(words)
    audit.record(actor=by, origin=origin, action=action, target=target, reason=reason, now=now)
