"""Retention: a day goes when nothing of it is wanted, and only then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from notify import housekeeping, partitions
from notify.models import Batch, Notification
from tests import factories
from tests.factories import make_application, make_attempt, make_batch, make_delivery, make_event, make_notification

pytestmark = pytest.mark.django_db

NOW = factories.now()
LONG_AGO = NOW - timedelta(days=40)
RECENTLY = NOW - timedelta(days=3)


@pytest.fixture(autouse=True)
def _old_days() -> None:
    partitions.ensure(now=LONG_AGO, ahead_days=6)


def days(table: str = "notify_notification") -> set[object]:
    return set(partitions.existing_days(table))


def drop() -> list[str]:
    return partitions.drop_past(now=NOW, retention_days=30)


def old(at: datetime = LONG_AGO, **values: Any) -> Notification:
    return make_notification(make_application(), at=at, **values)


def test_days_past_retention_are_dropped_whole() -> None:
    make_delivery(old(), "sent")
    dropped = drop()
    assert set(dropped) >= {partitions.partition_name(table, LONG_AGO.date()) for table in partitions.TABLES}
    assert not Notification.objects.exists()
    assert min(days()) >= (NOW - timedelta(days=30)).date()


@pytest.mark.parametrize("status", ["queued", "scheduled", "sending"])
def test_a_day_with_a_delivery_in_flight_is_kept(status: str) -> None:
    make_delivery(old(), status)
    drop()
    assert Notification.objects.count() == 1


def test_a_day_is_kept_while_a_delivery_of_it_has_not_been_at_an_end_for_long() -> None:
    make_delivery(old(), "sent", finished_at=RECENTLY)
    drop()
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("kind", [0, 1], ids=["a later step", "a callback"])
def test_a_notification_is_kept_while_a_delivery_of_another_day_goes_on(kind: int) -> None:
    notification = old()
    make_delivery(notification, "failed")
    make_delivery(notification, "queued", at=RECENTLY, kind=kind)
    drop()
    assert Notification.objects.count() == 1


def an_attempt(notification: Notification, at: datetime) -> None:
    make_attempt(make_delivery(notification, "scheduled"), at=at)


def an_event(notification: Notification, at: datetime) -> None:
    make_delivery(notification, "scheduled")
    make_event(notification, "switched", at=at)


def a_step(notification: Notification, at: datetime) -> None:
    make_delivery(notification, "failed", at=at)
    make_delivery(notification, "queued", at=RECENTLY)


@pytest.mark.parametrize("part", [an_attempt, an_event, a_step])
def test_the_history_of_what_goes_on_is_kept_on_whatever_day_it_was_written(
    part: Callable[[Notification, datetime], None],
) -> None:
    later = LONG_AGO + timedelta(days=2)
    part(old(), later)
    drop()
    assert {LONG_AGO.date(), later.date()} <= days()
    assert (LONG_AGO + timedelta(days=1)).date() not in days()


def test_a_batch_is_kept_with_its_notifications() -> None:
    application = make_application()
    midnight = LONG_AGO.replace(hour=0, minute=0, second=0, microsecond=0)
    batch = make_batch(application, at=midnight - timedelta(seconds=1))
    make_delivery(make_notification(application, at=midnight, batch=batch), "scheduled")
    drop()
    housekeeping.forget_past(now=NOW)
    assert Batch.objects.filter(pk=batch.pk).exists()


def test_what_fails_keeps_nothing_else_in_the_house_from_being_done(settings: Any) -> None:
    settings.NOTIFY = {**settings.NOTIFY, "PARTITIONS_AHEAD_DAYS": "many"}
    housekeeping.keep_house(now=NOW)
    assert LONG_AGO.date() not in days()


def test_rows_of_a_day_that_had_no_partition_are_moved_when_it_is_made() -> None:
    at = LONG_AGO - timedelta(days=20)
    notification = old(at=at)
    assert partitions.ensure(now=at, ahead_days=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM notify_notification WHERE id = %s", [notification.id])
        assert cursor.fetchone() == (partitions.partition_name("notify_notification", at.date()),)
