"""The sweep and the lifeboat: what keeps lanes moving when their workers do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Event as Signal
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from channels import directory
from channels.models import Channel, Provider
from notify import grace, lanes, partitions, sweep
from notify.lanes import Place
from notify.lifeboat import Lifeboat, stranded
from notify.models import Attempt, Delivery, Event, Notification
from notify.pulses import DueLane
from tests.conftest import WaitFor
from tests.factories import make_application, make_batch
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    directory.forget()
    partitions.forget_live_window()
    grace.forget()
    sweep.forget()
    yield
    directory.forget()
    partitions.forget_live_window()
    grace.forget()
    sweep.forget()


@pytest.fixture
def _no_grace(settings: object) -> None:
    """Leases are judged at once, however recently the database started."""
    settings.LANES = {**settings.LANES, "RESTART_GRACE_S": 0.0}  # type: ignore[attr-defined]


def let_leases_run_out() -> None:
    Delivery.objects.filter(status="sending").update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.usefixtures("_no_grace")
def test_a_dead_worker_s_messages_are_sent_again_and_the_loss_is_in_their_history() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    assert sweep.settle_expired_leases(worker="test", now=now) == 1
    delivery = Delivery.objects.get(pk=row.id)
    assert (delivery.status, delivery.attempts, delivery.error_code) == ("queued", 1, "outcome_unknown")
    assert Attempt.objects.get(delivery_id=row.id).outcome == "outcome_unknown"
    assert Event.objects.get(delivery_id=row.id).type == "released"


@pytest.mark.usefixtures("_no_grace")
def test_a_dead_worker_s_messages_are_held_where_the_channel_says_so() -> None:
    Channel.objects.create(name="sms", outcome_unknown="hold")
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    sweep.settle_expired_leases(worker="test", now=now)
    assert Delivery.objects.get(pk=row.id).status == "held"


@pytest.mark.usefixtures("_no_grace")
def test_a_worker_that_is_alive_keeps_its_messages() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    let_leases_run_out()
    lanes.renew(ids=[row.id], lease=lease)
    assert sweep.settle_expired_leases(worker="test", now=now) == 0


def test_no_lease_is_judged_for_a_while_after_this_process_saw_the_database_gone(settings: Any) -> None:
    settings.LANES = {**settings.LANES, "RESTART_GRACE_S": 1.0}  # its server has been up for longer
    now = timezone.now()
    enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    grace.note_absence(OperationalError("terminating connection"))
    assert sweep.settle_expired_leases(worker="test", now=now) == 0
    grace.forget()
    assert sweep.settle_expired_leases(worker="test", now=now) == 1


@pytest.mark.usefixtures("_no_grace")
def test_a_delivery_that_can_not_be_decided_on_is_held_and_takes_no_neighbour_with_it() -> None:
    now = timezone.now()
    application = make_application()
    (poison,) = enter(application, now=now, route="first", channels=["sms", "telex"])
    (fine,) = enter(application, now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    assert sweep.settle_expired_leases(worker="test", now=now) == 2
    found = Delivery.objects.get(pk=poison.id)
    assert (found.status, found.error_code) == ("held", "internal_error")
    assert Delivery.objects.get(pk=fine.id).status == "queued"


@pytest.mark.usefixtures("_no_grace")
def test_what_can_not_be_read_together_is_read_one_by_one() -> None:
    now = timezone.now()
    application = make_application()
    batch = make_batch(application)
    (poison,) = enter(application, now=now, batch_of=batch.id)
    Notification.objects.filter(pk=poison.notification_id).update(params=["not", "an object"])
    (fine,) = enter(application, now=now)
    claim("sms.bulk", now=now)
    let_leases_run_out()
    sweep.settle_expired_leases(worker="test", now=now)
    assert Delivery.objects.get(pk=poison.id).status == "held"
    assert Delivery.objects.get(pk=fine.id).status == "queued"


def test_a_part_that_fails_keeps_a_sweep_from_nothing_else(settings: Any) -> None:
    settings.LANES = {**settings.LANES, "RESTART_GRACE_S": "a while"}
    now = timezone.now()
    (late,) = enter(make_application(), now=now, due_in_s=-60, deadline=now - timedelta(seconds=1))
    assert [lane.lane for lane in sweep.sweep(worker="test", now=now)] == ["sms.bulk"]
    assert Delivery.objects.get(pk=late.id).status == "expired"


@pytest.mark.django_db(transaction=True)
def test_what_was_taken_from_a_lane_and_not_settled_goes_back_to_it() -> None:
    now = timezone.now()
    (late,) = enter(make_application(), now=now, due_in_s=-60, deadline=now - timedelta(seconds=1))
    locked, done = Signal(), Signal()

    def lock() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE notify_notification IN ACCESS EXCLUSIVE MODE")
                locked.set()
                done.wait(30)
        finally:
            connection.close()

    thread = Thread(target=lock)
    thread.start()
    try:
        assert locked.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        with pytest.raises(OperationalError):
            sweep.expire_overdue(lane="sms.bulk", worker="test", now=now)
    finally:
        done.set()
        thread.join(10)
        connection.close()
    assert Delivery.objects.get(pk=late.id).status == "queued"


def test_a_deep_lane_is_looked_through_part_by_part() -> None:
    now = timezone.now()
    application = make_application()
    for ago in range(10, 5, -1):
        enter(application, now=now, due_in_s=-ago)
    (late,) = enter(application, now=now, due_in_s=-1, deadline=now - timedelta(seconds=1))
    place: Place | None = Place()
    looks, found = 0, []
    while place is not None:
        taken, place = lanes.take_overdue(lane="sms.bulk", lease=uuid4(), limit=10, now=now, place=place, read=2)
        looks, found = looks + 1, found + taken
    assert [one.id for one in found] == [late.id]
    assert looks > 2


def test_many_that_are_due_at_one_moment_do_not_stop_the_look() -> None:
    now = timezone.now()
    application = make_application()
    enter(application, count=5, now=now, due_in_s=-10)
    (late,) = enter(application, now=now, due_in_s=-1, deadline=now - timedelta(seconds=1))
    place: Place | None = Place()
    found = []
    while place is not None:
        taken, place = lanes.take_overdue(lane="sms.bulk", lease=uuid4(), limit=10, now=now, place=place, read=2)
        found += taken
    assert [one.id for one in found] == [late.id]


def test_a_clock_that_was_set_back_does_not_keep_a_lane_from_being_looked_at() -> None:
    later = timezone.now()
    now = later - timedelta(minutes=30)
    application = make_application()
    enter(application, now=now, due_in_s=-60)
    sweep.sweep(worker="test", now=later)
    (late,) = enter(application, now=now, due_in_s=-60, deadline=now - timedelta(seconds=1))
    sweep.sweep(worker="test", now=now)
    assert Delivery.objects.get(pk=late.id).status == "expired"


def test_what_is_overdue_in_a_lane_that_stands_still_is_accounted_for() -> None:
    now = timezone.now()
    application = make_application()
    (late,) = enter(application, now=now, due_in_s=-60, deadline=now - timedelta(seconds=1))
    (fine,) = enter(application, now=now, due_in_s=-60)
    sweep.sweep(worker="test", now=now)
    assert Delivery.objects.get(pk=late.id).status == "expired"
    assert Delivery.objects.get(pk=fine.id).status == "queued"


def test_a_sweep_rings_every_lane_with_due_work(wait_for: WaitFor) -> None:
    now = timezone.now()
    enter(make_application(), now=now, due_in_s=-1, channel="push")
    assert [lane.lane for lane in sweep.sweep(worker="test", now=now)] == ["push.bulk"]
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        wait_for(lambda: client.llen("push.bulk") == 1)


def test_a_lane_is_stranded_when_it_waits_and_nobody_moved_it() -> None:
    now = timezone.now()

    def ago(seconds: float) -> object:
        return now - timedelta(seconds=seconds)

    due = [
        DueLane("sms.bulk", ago(10), None),  # type: ignore[arg-type]
        DueLane("sms.normal", ago(10), ago(5)),  # type: ignore[arg-type]
        DueLane("sms.critical", ago(10), ago(1)),  # type: ignore[arg-type]
        DueLane("email.bulk", ago(1), None),  # type: ignore[arg-type]
    ]
    assert stranded(due, now=now, after_s=2.0) == ["sms.bulk", "sms.normal"]


@pytest.mark.django_db(transaction=True)
def test_the_lifeboat_drains_a_stranded_lane_and_leaves_a_moving_one(wait_for: WaitFor) -> None:
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={})
    now = timezone.now()
    application = make_application()
    (stranded_row,) = enter(application, now=now, due_in_s=-10)
    (moving,) = enter(application, now=now, due_in_s=-10, priority="normal")
    lanes.feel_pulse(lane="sms.normal", worker="w")
    boat = Lifeboat(idle_s=0.5)
    assert boat.watch(now=now) == ["sms.bulk"]
    wait_for(lambda: Delivery.objects.get(pk=stranded_row.id).status == "sent")
    boat.leave()
    assert Delivery.objects.get(pk=moving.id).status == "queued"
    connection.close()
