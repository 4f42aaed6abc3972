"""Reads leave the partitions of other days alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notify import burials, partitions, queries
from notify.models import Notification
from tests import factories
from tests.factories import make_application, make_batch, make_dead_letter, make_delivery, make_notification

pytestmark = pytest.mark.django_db


def read_notification(row: Notification) -> None:
    queries.find_notification(application=row.application, notification_id=row.id)


def read_deliveries(row: Notification) -> None:
    queries.deliveries_of([row])


def read_history(row: Notification) -> None:
    queries.history(row)


def read_batch(row: Notification) -> None:
    assert row.batch is not None
    queries.batch_counts(row.batch)


def read_attempts(row: Notification) -> None:
    burials.attempts_of([make_dead_letter(make_delivery(row, "dead"))])


def read_list(**where: Any) -> Callable[[Notification], None]:
    def read(row: Notification) -> None:
        queries.list_notifications(
            application=row.application,
            where=queries.NotificationFilter(created_after=row.created_at, **where),
            before=None,
            limit=10,
        )

    return read


def read_batch_list(row: Notification) -> None:
    queries.list_notifications(
        application=row.application,
        where=queries.NotificationFilter(batch_id=row.batch_id),
        before=None,
        limit=10,
    )


@pytest.mark.parametrize(
    "read",
    [
        read_notification,
        read_deliveries,
        read_history,
        read_batch,
        read_attempts,
        read_list(),
        read_list(template="welcome"),
        read_batch_list,
    ],
)
def test_a_read_plans_nothing_for_days_before_what_it_is_about(read: Callable[[Notification], None]) -> None:
    long_ago = factories.now() - timedelta(days=10)
    partitions.ensure(now=long_ago, ahead_days=0)
    application = make_application()
    row = make_notification(application, batch=make_batch(application))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        read(row)
    plans = [plan(query["sql"]) for query in captured if query["sql"].startswith("SELECT")]
    assert plans
    passed_by = [partitions.partition_name(table, long_ago.date()) for table in partitions.TABLES]
    assert not [name for name in passed_by if any(name in text for text in plans)]


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())
