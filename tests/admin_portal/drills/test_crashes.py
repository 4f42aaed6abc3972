"""A process that is killed at any moment of a drill: the run goes on or is restored, and is never half of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from admin_portal.drills import controls, running
from admin_portal.models import DrillRun, PlanRun
from channels import stages
from channels.degradation import pins
from notify.models import Notification
from tests.admin_portal.drills import scene
from tests.admin_portal.drills.scene import ORIGIN
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.test_crashes import killed_after
from tests.factories import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

PLAN = '- {do: disable_provider, target: "provider:sms-a"}\n'


def check_whole(run: DrillRun, at: datetime) -> None:
    """The stage is there as the run says, and so is the plan's run."""
    run = scene.fresh(run)
    on_stage = run.phase in {"opened", "loaded", "faulty"} or (run.phase == "recovering" and not run.outcome)
    known = stages.known(now=at)
    assert (known is not None and known.id == run.pk) == on_stage
    assert PlanRun.objects.exists() == (run.faulty_at is not None)
    if run.outcome:
        assert list(pins.known(now=at)) == []


def crash_everywhere(run: DrillRun, at: datetime, act: Callable[[], Any]) -> None:
    """Does ``act``, killed after the first statement, after the second, and so on, until nothing kills it."""
    for statements in range(500):
        try:
            with killed_after(statements) as sent:
                act()
        except OperationalError:
            check_whole(run, at)
            continue
        check_whole(run, at)
        if sent[0] <= statements:
            return
    pytest.fail("it never comes through")


def _started() -> DrillRun:
    scene.set_up()
    return scene.start(scene.drill(plan=stage.plan(PLAN).name))


def test_a_drill_goes_on_wherever_it_was_killed() -> None:
    run, begin = _started(), now()
    for seconds in (0, 3, 5, 13, 33, 43):
        at = begin + timedelta(seconds=seconds)
        DrillRun.objects.exclude(driven_until=None).update(driven_until=at - timedelta(seconds=2))
        before = Notification.objects.count()
        crash_everywhere(run, at, partial(running.advance, run.pk, now=at))
        sent = Notification.objects.count() - before
        assert sent == {0: 0, 3: 0}.get(seconds, 2), "each message of the load once, however often it was begun"
    assert scene.audited() == ["started", "opened", "loaded", "faulty", "recovering"]


def test_an_abort_restores_all_or_nothing_wherever_it_was_killed() -> None:
    run, begin = _started(), now()
    for seconds in (0, 3, 13):
        running.advance(run.pk, now=begin + timedelta(seconds=seconds))
    at = begin + timedelta(seconds=14)
    crash_everywhere(
        run,
        at,
        lambda: (
            scene.fresh(run).outcome
            or controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason="no", now=at)
        ),
    )
    assert scene.fresh(run).outcome == "aborted"
