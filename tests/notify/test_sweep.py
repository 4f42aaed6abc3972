"""The sweep and the lifeboat: what keeps lanes moving when their workers do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from channels import directory
from channels.models import Channel, Provider
from notify import lanes, partitions, sweep
from notify.lanes import DueLane
from notify.lifeboat import Lifeboat, stranded
from notify.models import Attempt, Delivery, Event
from tests.conftest import WaitFor
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    directory.forget()
    partitions.forget_live_window()
    yield
    directory.forget()
    partitions.forget_live_window()


@pytest.fixture
def _no_grace(settings: object) -> None:
    """Leases are judged at once, however recently the database started."""
    settings.LANES = {**settings.LANES, "RESTART_GRACE_S": 0.0}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_no_grace")
def test_a_dead_worker_s_messages_are_sent_again_and_the_loss_is_in_their_history() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    claim("sms.bulk", now=now)
    later = now + timedelta(seconds=60)
    assert sweep.settle_expired_leases(worker="test", now=later) == 1
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
    sweep.settle_expired_leases(worker="test", now=now + timedelta(seconds=60))
    assert Delivery.objects.get(pk=row.id).status == "held"


@pytest.mark.usefixtures("_no_grace")
def test_a_worker_that_is_alive_keeps_its_messages() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    later = now + timedelta(seconds=20)
    lanes.renew(ids=[row.id], lease=lease, now=later)
    assert sweep.settle_expired_leases(worker="test", now=now + timedelta(seconds=40)) == 0


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
    lanes.feel_pulse(lane="sms.normal", worker="w", now=now)
    boat = Lifeboat(idle_s=0.5)
    assert boat.watch(now=now) == ["sms.bulk"]
    wait_for(lambda: Delivery.objects.get(pk=stranded_row.id).status == "sent")
    boat.leave()
    assert Delivery.objects.get(pk=moving.id).status == "queued"
    connection.close()
