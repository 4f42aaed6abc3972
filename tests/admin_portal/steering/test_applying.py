"""What begins and ends by itself: on time, once, and whole or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from admin_portal.models import AuditEntry, DegradationRequest
from admin_portal.steering import applying, ledger
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import State
from channels.degradation import pins
from channels.models import Provider
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import terms
from tests.factories import now

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def in_force() -> DegradationRequest:
    return scene.approve(scene.submitted(scene.operator()), scene.approver("li"))


def scheduled(action: Action = scene.DISABLE_A) -> DegradationRequest:
    """Approved, from in two hours until in three."""
    at = now()
    asked = terms(action, starts_at=at + 2 * HOUR, ends_at=at + 3 * HOUR)
    row = scene.submitted(scene.operator(), asked)
    for name in ("li", "chen")[: row.approvals_needed]:
        row = scene.approve(row, scene.approver(name))
    return row


def test_nothing_is_due_before_its_time() -> None:
    in_force()
    at = now()
    later = terms(Action(kind=Kind.SHED_BULK, target="channel:email"), starts_at=at + 2 * HOUR, ends_at=at + 3 * HOUR)
    scene.approve(scene.submitted(scene.operator("zhou"), later), scene.approver("he"))
    scene.submitted(scene.operator("sun"), terms(scene.SHED_SMS))
    assert applying.run_due(now=now()) == 0


def test_what_was_approved_begins_at_its_start_and_ends_at_its_end() -> None:
    row = scheduled()
    assert applying.run_due(now=row.starts_at) == 1
    started = scene.fresh(row)
    assert (started.state, started.applied_at) == (State.ACTIVE, row.starts_at)
    assert [pin.id for pin in pins.active(now=row.starts_at)] == [started.pin_id]
    assert applying.run_due(now=row.ends_at) == 1
    ended = scene.fresh(row)
    assert (ended.state, ended.end_cause) == (State.ENDED, "expired")
    assert pins.active(now=row.ends_at) == ()


def test_doing_it_again_changes_nothing_and_writes_nothing_down() -> None:
    row = in_force()
    applying.run_due(now=row.ends_at)
    count = AuditEntry.objects.count()
    assert applying.run_due(now=row.ends_at) == 0
    assert AuditEntry.objects.count() == count


def test_a_pin_ends_on_time_also_when_nobody_is_there_to_end_it() -> None:
    row = in_force()
    assert pins.active(now=row.ends_at) == ()


def test_a_request_that_nobody_approved_in_time_lapses() -> None:
    at = now()
    row = scene.submitted(scene.operator(), terms(at=at, ends_at=at + timedelta(days=6)), at=at)
    assert applying.run_due(now=at + timedelta(hours=23)) == 0
    assert applying.run_due(now=at + timedelta(hours=24)) == 1
    lapsed = scene.fresh(row)
    assert (lapsed.state, str(lapsed.end_reason)) == (State.LAPSED, "nobody approved it in time")


def test_a_request_whose_time_is_over_before_it_is_approved_lapses() -> None:
    row = scene.submitted(scene.operator())
    applying.run_due(now=row.ends_at)
    assert scene.fresh(row).state == State.LAPSED


def test_what_was_approved_but_slept_through_its_time_lapses() -> None:
    row = scheduled()
    applying.run_due(now=row.ends_at)
    assert scene.fresh(row).state == State.LAPSED
    assert pins.known(now=now()) == ()


def test_a_fallback_that_went_bad_before_the_start_is_not_switched_to() -> None:
    row = scheduled(Action(kind=Kind.SWITCH_CHANNEL, target="channel:sms", parameters={"to": "inapp"}))
    assert row.state == State.APPROVED
    Provider.objects.filter(name="inbox").update(enabled=False)
    applying.run_due(now=row.starts_at)
    lapsed = scene.fresh(row)
    assert (lapsed.state, lapsed.pin_id) == (State.LAPSED, None)
    assert "no enabled provider" in str(lapsed.end_reason)


def test_a_target_that_is_deleted_while_it_is_pinned_ends_the_request_and_says_so() -> None:
    row = in_force()
    Provider.objects.get(name="sms-a").delete()
    assert applying.run_due(now=now()) == 1
    ended = scene.fresh(row)
    assert (ended.state, ended.end_cause, str(ended.end_reason)) == (
        State.ENDED,
        "target_gone",
        "its target no longer exists",
    )
    assert pins.active(now=now()) == ()
    assert scene.audited()[-1] == "target_gone"


def test_a_crash_between_pin_and_state_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    row = scheduled()

    def crash(*_args: Any, **_kwargs: Any) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", crash)
        applying.run_due(now=row.starts_at)
    assert scene.fresh(row).state == State.APPROVED
    assert pins.known(now=now()) == ()
    applying.run_due(now=row.starts_at)
    assert scene.fresh(row).state == State.ACTIVE


def test_one_that_fails_keeps_no_other_from_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = scheduled()
    at = now()
    other = terms(Action(kind=Kind.SHED_BULK, target="channel:email"), starts_at=at + 2 * HOUR, ends_at=at + 3 * HOUR)
    second = scene.approve(scene.submitted(scene.operator("zhou"), other), scene.approver("he"))
    write = ledger.write

    def fail_for_first(row: DegradationRequest, *rest: Any) -> None:
        if row.pk == first.pk:
            raise DatabaseError("no")
        write(row, *rest)

    monkeypatch.setattr(ledger, "write", fail_for_first)
    assert applying.run_due(now=second.starts_at + timedelta(seconds=1)) == 1
    assert scene.fresh(second).state == State.ACTIVE


def test_it_costs_one_query_when_nothing_is_there(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        applying.run_due(now=now())


def test_it_costs_a_few_queries_however_much_is_in_force(django_assert_max_num_queries: Any) -> None:
    row = in_force()
    assert connection.vendor == "postgresql"
    with django_assert_max_num_queries(3):
        assert applying.run_due(now=row.ends_at - timedelta(seconds=1)) == 0
