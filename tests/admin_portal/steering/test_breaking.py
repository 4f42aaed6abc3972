"""Breaking the glass, and what follows."""

from __future__ import annotations

import pytest

from admin_portal.steering import breaking
from admin_portal.steering.approval import Severity, State
from admin_portal.steering.errors import InvalidAction, MoveRefused, NotPermitted
from channels.degradation import pins
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import DISABLE_A, ORIGIN, terms
from tests.factories import now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_breaking_the_glass_applies_at_once_and_leaves_a_review_to_be_done() -> None:
    zhao = scene.breaker()
    row = scene.break_glass(scene.drafted(zhao), zhao)
    assert (row.state, row.review, row.broken_by) == (State.ACTIVE, "due", zhao)
    assert len(pins.active(now=now())) == 1
    assert "break_glass" in scene.audited()


def test_breaking_the_glass_takes_its_own_permission_and_a_reason() -> None:
    wang = scene.operator()
    row = scene.drafted(wang)
    with pytest.raises(NotPermitted):
        scene.break_glass(row, wang)
    with pytest.raises(InvalidAction):
        breaking.break_glass(request_id=row.pk, version=1, by=scene.breaker(), origin=ORIGIN, reason="", now=now())
    assert scene.fresh(row).state == State.DRAFT


def test_breaking_the_glass_replaces_what_is_in_the_way() -> None:
    wang, zhao = scene.operator(), scene.breaker()
    waiting = scene.submitted(wang)
    row = scene.break_glass(scene.drafted(zhao, terms(DISABLE_A, severity=Severity.HIGH)), zhao)
    assert row.state == State.ACTIVE
    assert scene.fresh(waiting).end_cause == "superseded"


def test_breaking_the_glass_twice_applies_once() -> None:
    zhao = scene.breaker()
    row = scene.drafted(zhao)
    scene.break_glass(row, zhao)
    with pytest.raises(MoveRefused):
        scene.break_glass(row, zhao)
    assert len(pins.known(now=now())) == 1


def test_a_review_says_that_it_was_right() -> None:
    zhao, li = scene.breaker(), scene.approver("li")
    row = scene.break_glass(scene.drafted(zhao), zhao)
    row = breaking.review(
        request_id=row.pk, version=row.version, fine=True, by=li, origin=ORIGIN, reason="it was", now=now()
    )
    assert (row.state, row.review, row.reviewed_by) == (State.ACTIVE, "reviewed", li)


def test_a_review_that_rejects_it_reverts_it() -> None:
    zhao, li = scene.breaker(), scene.approver("li")
    row = scene.break_glass(scene.drafted(zhao), zhao)
    row = breaking.review(
        request_id=row.pk, version=row.version, fine=False, by=li, origin=ORIGIN, reason="no need", now=now()
    )
    assert (row.state, row.end_cause, row.review) == (State.ENDED, "reverted", "rejected")
    assert pins.active(now=now()) == ()


def test_nobody_reviews_what_they_did_themselves() -> None:
    zhao = scene.breaker()
    scene.grant(zhao, "approve_degradation")
    row = scene.break_glass(scene.drafted(zhao), zhao)
    with pytest.raises(MoveRefused) as refused:
        breaking.review(
            request_id=row.pk, version=row.version, fine=True, by=zhao, origin=ORIGIN, reason="fine", now=now()
        )
    assert refused.value.code == "own_request"
