"""The one question that is asked every second: is there anything to do?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from admin_portal import due, tasks
from admin_portal.desk import jobs
from admin_portal.desk.selection import Selection
from admin_portal.due import Part
from admin_portal.models.desk import JobKind
from channels import directory
from notify import partitions
from tests.admin_portal.steering import scene
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _company() -> Iterator[None]:
    scene.set_up()
    directory.forget()
    partitions.forget_live_window()
    yield
    directory.forget()
    partitions.forget_live_window()


def test_where_nobody_asked_for_anything_there_is_nothing_to_do() -> None:
    assert due.look(now=now()) == frozenset()


def test_a_request_that_waits_is_looked_at_and_so_are_its_calls() -> None:
    scene.approver("li")
    scene.submitted(scene.operator())
    assert due.look(now=now()) == {Part.REQUESTS, Part.CALLS}


def test_a_job_is_gone_on_with() -> None:
    jobs.start(
        kind=JobKind.DISCARD,
        selection=Selection(criteria={}, before=now()),
        author="wang",
        origin="",
        now=now(),
    )
    assert due.look(now=now()) == {Part.JOBS}


def test_a_second_at_rest_costs_one_question() -> None:
    tasks.steer_once(now=now())
    with CaptureQueriesContext(connection) as queries:
        tasks.steer_once(now=now())
    assert len(queries) == 1
