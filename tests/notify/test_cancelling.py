"""Cancelling while others are at the same rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Signal
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from notify import lanes, partitions
from notify.ids import floor_id, new_id
from notify.models import Delivery, Event
from notify.rows import DeliveryRow, Outcome
from tests.conftest import WaitFor
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = pytest.mark.django_db(transaction=True)


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def cancel(row: DeliveryRow) -> int:
    try:
        return lanes.cancel(notification_ids=[row.notification_id], actor="li", now=timezone.now())
    finally:
        connection.close()


def test_cancelling_waits_for_a_claim_that_is_not_committed_yet(wait_for: WaitFor) -> None:
    partitions.forget_live_window()
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            claim("sms.bulk", now=now)
            cancelling = pool.submit(cancel, row)
            wait_for(somebody_waits_for_a_lock)
        assert cancelling.result(10) == 1
    found = Delivery.objects.get(pk=row.id)
    assert (found.status, found.cancel_requested) == ("sending", True)
    assert Event.objects.get(delivery_id=row.id).reason == "it is being sent, and will not be tried again"


def test_cancelling_takes_the_next_step_that_was_born_while_it_waited(wait_for: WaitFor) -> None:
    partitions.forget_live_window()
    now = timezone.now()
    (row,) = enter(make_application(), now=now, route="first", channels=["sms", "email"])
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    following = row._replace(id=new_id(), channel="email", lane="email.bulk", step=1)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            failed = Outcome(id=row.id, status="failed", finished_at=now, next_step=following)
            lanes.record(outcomes=[failed], lease=lease, now=now)
            cancelling = pool.submit(cancel, row)
            wait_for(somebody_waits_for_a_lock)
        assert cancelling.result(10) == 1
    assert Delivery.objects.get(pk=following.id).status == "cancelled"


def test_what_a_host_whose_clock_is_behind_has_born_is_cancelled_too() -> None:
    partitions.forget_live_window()
    now = timezone.now()
    behind = UUID(int=floor_id(now - timedelta(seconds=30)).int + 1)
    (row,) = enter(make_application(), now=now, id=behind)
    assert lanes.cancel(notification_ids=[row.notification_id], actor="li", now=now) == 1
    assert Delivery.objects.get(pk=row.id).status == "cancelled"


def test_two_that_cancel_at_once_tell_it_once(wait_for: WaitFor) -> None:
    partitions.forget_live_window()
    (row,) = enter(make_application(), now=timezone.now())
    go = Signal()

    def take(_: int) -> int:
        go.wait(10)
        return cancel(row)

    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(take, range(4))
        go.set()
        assert sum(counts) == 1
    assert Event.objects.filter(delivery_id=row.id).count() == 1
