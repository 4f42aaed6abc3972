"""A process that is killed at any moment of a run: what the run says is in force is in force, and it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from admin_portal.models import PlanRun
from admin_portal.plans import controls, ledger, running
from channels.degradation import pins
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.factories import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@contextmanager
def killed_after(statements: int) -> Iterator[list[int]]:
    """From so many statements on, no further one gets through: as if the process were not there any more. What it had
    not committed is rolled back by the database, as when a connection ends."""
    sent = [0]

    def send(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        sent[0] += 1
        if sent[0] > statements:
            raise OperationalError("terminating connection due to administrator command")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(send):
        yield sent


def check_whole(run: PlanRun) -> None:
    """What is pinned is what the run says it has in force."""
    run = PlanRun.objects.select_related("version").get(pk=run.pk)
    in_force = set(run.steps.filter(in_force=True).values_list("pin_id", flat=True))
    assert {one.id for one in pins.known(now=now())} == in_force
    if run.state == "active":
        assert len(ledger.progress_of(run).in_force) == len(in_force)


def _crash_everywhere(run: PlanRun, act: Callable[[], Any]) -> None:
    """Does ``act``, killed after the first statement, after the second, and so on, until nothing kills it."""
    for statements in range(500):
        try:
            with killed_after(statements) as sent:
                act()
        except OperationalError:
            check_whole(run)
            continue
        if sent[0] <= statements:
            check_whole(run)
            return
        check_whole(run)
    pytest.fail("it never comes through")


def test_a_run_goes_on_wherever_it_was_killed() -> None:
    scene.set_up()
    run = stage.approve(stage.ask(stage.plan()))
    _crash_everywhere(run, lambda: running.advance(run.pk, now=now()))
    assert stage.states(run) == ["done", "under_way", "waiting"]
    later = now() + timedelta(seconds=61)
    _crash_everywhere(run, lambda: running.advance(run.pk, now=later))
    assert stage.states(run) == ["done", "done", "done"]
    assert len(stage.audited()) == len(set(stage.audited())) + 1, "no entry is written twice: two steps were applied"


def test_an_abort_is_finished_by_whoever_comes_next() -> None:
    scene.set_up()
    run = stage.started(stage.ASKS)
    wang = stage.runner()
    ordered = False
    for statements in range(500):
        try:
            with killed_after(statements):
                controls.abort(run_id=run.pk, by=wang, origin=ORIGIN, reason="enough", now=now())
        except OperationalError:
            check_whole(run)
            if stage.fresh(run).phase == "reverting":
                ordered = True
                break
    assert ordered, "killed after the order and before the first revert"
    _crash_everywhere(run, lambda: running.advance(run.pk, now=now()))
    assert (stage.fresh(run).end, stage.pinned()) == ("aborted", [])
