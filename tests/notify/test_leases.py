"""Leases: dated and judged by the database's clock, kept while their worker is alive, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from notify import grace, lanes, partitions
from notify.models import Delivery
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    partitions.forget_live_window()
    grace.forget()
    yield
    partitions.forget_live_window()
    grace.forget()


def let_leases_run_out() -> None:
    Delivery.objects.filter(status="sending").update(lease_until=timezone.now() - timedelta(seconds=1))


def test_renewing_keeps_a_lease_and_tells_which_are_still_held() -> None:
    now = timezone.now()
    rows = enter(make_application(), count=2, now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    let_leases_run_out()
    Delivery.objects.filter(pk=rows[0].id).update(lease=uuid4())
    assert lanes.renew(ids=[row.id for row in rows], lease=lease) == {rows[1].id}
    kept = Delivery.objects.get(pk=rows[1].id).lease_until
    assert kept is not None
    assert kept > now


def test_expired_leases_are_taken_once_and_only_after_their_time() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    assert lanes.take_expired_leases(lease=uuid4(), limit=10, now=now, grace_s=0) == []
    let_leases_run_out()
    assert [one.id for one in lanes.take_expired_leases(lease=uuid4(), limit=10, now=now, grace_s=0)] == [row.id]
    assert lanes.take_expired_leases(lease=uuid4(), limit=10, now=now, grace_s=0) == []


def test_a_host_whose_clock_is_ahead_takes_no_lease_away() -> None:
    now = timezone.now()
    enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    assert lanes.take_expired_leases(lease=uuid4(), limit=10, now=now + timedelta(hours=1), grace_s=0) == []


def test_a_host_whose_clock_is_behind_holds_no_lease_for_less() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now - timedelta(hours=1))
    claim("sms.bulk", now=now - timedelta(minutes=30))
    found = Delivery.objects.get(pk=row.id).lease_until
    assert found is not None
    assert found > now


def test_leases_are_not_judged_while_the_database_itself_has_just_come_back() -> None:
    now = timezone.now()
    enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    assert lanes.take_expired_leases(lease=uuid4(), limit=10, now=now, grace_s=10**8) == []


def test_all_that_is_held_under_a_lease_is_given_back_whether_its_ids_are_known_or_not() -> None:
    now = timezone.now()
    application = make_application()
    enter(application, count=3, now=now)
    enter(application, count=2, now=now, priority="normal")
    lease, other = uuid4(), uuid4()
    claim("sms.bulk", now=now, lease=lease)
    claim("sms.normal", now=now, lease=other)
    assert lanes.release_lease(lease=lease, now=now) == 3
    assert len(claim("sms.bulk", now=now)) == 3
    assert Delivery.objects.filter(lease=other).count() == 2


def test_what_was_cancelled_meanwhile_is_not_given_back() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    lanes.cancel(notification_ids=[row.notification_id], actor="li", now=now)
    lanes.release_lease(lease=lease, now=now)
    assert Delivery.objects.get(pk=row.id).status == "cancelled"


def test_there_is_grace_after_the_database_was_gone() -> None:
    assert grace.is_over(grace_s=30)
    grace.note_absence(OperationalError("server closed the connection unexpectedly"))
    assert not grace.is_over(grace_s=30)


def test_there_is_no_grace_after_an_answer_that_took_too_long() -> None:
    class Slow(Exception):
        pgcode = "57014"

    error = OperationalError("canceling statement due to statement timeout")
    error.__cause__ = Slow()
    grace.note_absence(error)
    assert grace.is_over(grace_s=30)


@pytest.mark.parametrize("jump_s", [-60.0, 5.0])
def test_there_is_grace_after_a_clock_has_jumped(jump_s: float) -> None:
    wall_s = timezone.now().timestamp()
    grace.note_clocks(wall_s=wall_s)
    grace.note_clocks(wall_s=wall_s)
    assert grace.is_over(grace_s=30)
    grace.note_clocks(wall_s=wall_s + jump_s)
    assert not grace.is_over(grace_s=30)
