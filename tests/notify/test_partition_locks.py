"""Partitions come and go under traffic: nobody waits behind a long reader, and no row gets lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from notify import lifeboat, partitions
from notify.models import Notification
from tests import factories
from tests.conftest import WaitFor
from tests.factories import make_application, make_delivery, make_notification

pytestmark = pytest.mark.django_db(transaction=True)

NOW = factories.now()
LONG_AGO = NOW - timedelta(days=40)


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    Notification.objects.all().delete()
    partitions.drop_past(now=NOW, retention_days=30)


@contextmanager
def a_long_reader(table: str) -> Iterator[None]:
    """Somebody who reads ``table`` in a transaction that does not end before we do."""
    began, done = Event(), Event()

    def read() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {table}")
                began.set()
                done.wait(30)
        finally:
            connection.close()

    thread = Thread(target=read)
    thread.start()
    try:
        assert began.wait(10)
        yield
    finally:
        done.set()
        thread.join(10)


def test_dropping_a_day_does_not_wait_for_a_long_reader(caplog: pytest.LogCaptureFixture) -> None:
    partitions.ensure(now=LONG_AGO, ahead_days=0)
    with a_long_reader("notify_delivery"):
        assert partitions.drop_past(now=NOW, retention_days=30) == []
    assert "partitions not dropped: in use" in caplog.text
    assert LONG_AGO.date() in partitions.existing_days("notify_delivery")
    assert partitions.drop_past(now=NOW, retention_days=30)


def test_making_a_day_does_not_wait_for_a_long_reader(caplog: pytest.LogCaptureFixture) -> None:
    with a_long_reader("notify_delivery_default"):
        made = partitions.ensure(now=LONG_AGO, ahead_days=0)
    assert not [name for name in made if name.startswith("notify_delivery")]
    assert "partition not made: in use" in caplog.text
    assert partitions.ensure(now=LONG_AGO, ahead_days=0)


def test_a_day_is_made_while_rows_of_it_go_on_coming_in(wait_for: WaitFor) -> None:
    application = make_application()
    stop = Event()

    def accept(_: int) -> int:
        count = 0
        try:
            while not stop.is_set():
                make_notification(application, at=LONG_AGO)
                count += 1
        finally:
            connection.close()
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(accept, number) for number in range(2)]
        wait_for(Notification.objects.exists)
        wait_for(
            lambda: (
                partitions.ensure(now=LONG_AGO, ahead_days=0)
                or LONG_AGO.date() in partitions.existing_days("notify_notification")
            )
        )
        wait_for(lambda: LONG_AGO.date() in partitions.existing_days("notify_notification"))
        stop.set()
        accepted = sum(count.result(10) for count in counts)
    assert Notification.objects.count() == accepted


def test_a_day_is_not_dropped_under_somebody_who_brings_a_delivery_of_it_back() -> None:
    partitions.ensure(now=LONG_AGO, ahead_days=0)
    delivery = make_delivery(make_notification(make_application(), at=LONG_AGO), "dead")

    def drop() -> list[str]:
        try:
            return partitions.drop_past(now=NOW, retention_days=30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        delivery.status = "queued"
        delivery.save()
        dropped = pool.submit(drop).result(10)
    assert not [name for name in dropped if name.endswith(f"{LONG_AGO:%Y%m%d}")]
    assert drop() is not None
    delivery.refresh_from_db()
    assert delivery.status == "queued"


def test_housekeeping_that_fails_ends_nothing_and_is_done_again(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = lifeboat.housekeeper()
    ahead = settings.NOTIFY["PARTITIONS_AHEAD_DAYS"]
    settings.NOTIFY = {**settings.NOTIFY, "PARTITIONS_AHEAD_DAYS": "many"}
    keeper.do()
    assert "partitions ahead failed" in caplog.text
    caplog.clear()
    settings.NOTIFY = {**settings.NOTIFY, "PARTITIONS_AHEAD_DAYS": ahead}
    keeper.do()
    assert "failed" not in caplog.text
