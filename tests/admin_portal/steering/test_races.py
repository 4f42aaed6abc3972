"""Two people, two browsers, one moment: one of them is right, the other is told, and nothing is half done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from admin_portal.models import Approval, DegradationRequest
from admin_portal.steering import applying, requests
from admin_portal.steering.approval import State
from admin_portal.steering.errors import SteeringError
from channels.degradation import pins
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import ORIGIN, PAUSE_SMS, terms
from tests.factories import now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each of ``works``, begun in the same moment, returns, or why it was refused."""
    gate = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            gate.wait(timeout=10)
            return work()
        except SteeringError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def refused(results: Sequence[Any]) -> list[str]:
    return [result.code for result in results if isinstance(result, SteeringError)]


def test_two_browsers_of_one_approver_count_once() -> None:
    confirmed = terms(PAUSE_SMS, severity="high", stranding_confirmed=True)
    row, li = scene.submitted(scene.operator(), confirmed), scene.approver("li")
    results = at_once(*[lambda: scene.approve(row, li)] * 4)
    assert refused(results) == ["approved_already"] * 3
    assert Approval.objects.count() == 1
    assert scene.fresh(row).state == State.PENDING


def test_two_approvers_at_once_are_two_approvals_and_one_pin() -> None:
    confirmed = terms(PAUSE_SMS, severity="high", stranding_confirmed=True)
    row, li, chen = scene.submitted(scene.operator(), confirmed), scene.approver("li"), scene.approver("chen")
    assert refused(at_once(lambda: scene.approve(row, li), lambda: scene.approve(row, chen))) == []
    assert scene.fresh(row).state == State.ACTIVE
    assert len(pins.known(now=now())) == 1


def test_approving_and_withdrawing_at_once_is_one_of_both() -> None:
    wang, li = scene.operator(), scene.approver("li")
    for _round in range(5):
        row = scene.submitted(wang)
        results = at_once(
            lambda row=row: scene.approve(row, li),
            lambda row=row: requests.withdraw(request_id=row.pk, version=1, by=wang, origin=ORIGIN, now=now()),
        )
        state = scene.fresh(row).state
        assert len(refused(results)) == 1
        assert (state == State.ACTIVE) == bool(pins.known(now=now()))
        if state == State.ACTIVE:
            requests.revert(request_id=row.pk, version=1, by=li, origin=ORIGIN, reason="next", now=now())


def test_of_two_conflicting_requests_at_once_one_is_refused_with_the_name_of_the_other() -> None:
    wang, zhou = scene.operator(), scene.operator("zhou")
    drafts = [(scene.drafted(one), one) for one in (wang, zhou)]
    results = at_once(
        *[
            lambda row=row, by=by: requests.submit(request_id=row.pk, version=1, by=by, origin=ORIGIN, now=now())
            for row, by in drafts
        ]
    )
    (error,) = [result for result in results if isinstance(result, SteeringError)]
    (winner,) = DegradationRequest.objects.filter(state=State.PENDING)
    assert f"#{winner.pk}" in str(error)


def test_one_form_from_two_browsers_makes_one_request() -> None:
    wang, token, asked = scene.operator(), uuid4(), terms()
    results = at_once(*[lambda: requests.draft(terms=asked, form_token=token, by=wang, origin=ORIGIN, now=now())] * 3)
    assert len({result.pk for result in results}) == 1
    assert DegradationRequest.objects.count() == 1


def test_several_who_do_what_is_due_do_it_once() -> None:
    at = now()
    asked = terms(starts_at=at + timedelta(hours=1), ends_at=at + timedelta(hours=2))
    row = scene.approve(scene.submitted(scene.operator(), asked), scene.approver("li"))
    moved = at_once(*[lambda: applying.run_due(now=row.starts_at)] * 4)
    assert sorted(moved) == [0, 0, 0, 1]
    assert scene.audited().count("applied") == 1
    moved = at_once(*[lambda: applying.run_due(now=row.ends_at)] * 4)
    assert sorted(moved) == [0, 0, 0, 1]
    assert scene.audited().count("expired") == 1
