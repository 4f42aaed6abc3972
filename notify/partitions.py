"""Daily partitions over the UUIDv7 key: made ahead, and dropped whole when their day is past retention.

Every partitioned table has a DEFAULT partition, so a missing day costs some order and never an insert.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState

from notify.ids import floor_id

logger = logging.getLogger(__name__)

TABLES: Final = ("notify_notification", "notify_delivery", "notify_attempt", "notify_event")
#: One number for the advisory lock that keeps two processes from making the same partition at once.
_LOCK: Final = 0x676F7574
#: Ids may come from hosts whose clock is ahead of ours by less than this.
_CLOCK_SLACK: Final = timedelta(hours=1)
_FLOOR_MAX_AGE: Final = timedelta(seconds=10)


class CreatePartitionedModel(CreateModel):
    """CreateModel for a table partitioned by ranges of its id, with its DEFAULT partition."""

    def database_forwards(
        self, app_label: str, schema_editor: object, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        table = model._meta.db_table
        sql, params = schema_editor.table_sql(model)  # type: ignore[attr-defined]
        schema_editor.execute(f"{sql} PARTITION BY RANGE (id)", params or None)  # type: ignore[attr-defined]
        schema_editor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")  # type: ignore[attr-defined]
        schema_editor.deferred_sql.extend(schema_editor._model_indexes_sql(model))  # type: ignore[attr-defined]


def partition_name(table: str, day: date) -> str:
    """``notify_delivery_20261124``"""
    return f"{table}_{day:%Y%m%d}"


def day_start(day: date) -> datetime:
    """Midnight, UTC: partitions know no other time zone."""
    return datetime.combine(day, time(), tzinfo=UTC)


def existing_days(table: str) -> list[date]:
    """The days ``table`` has a partition for, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass AND c.relname ~ %s ORDER BY c.relname",
            [table, rf"^{table}_\d{{8}}$"],
        )
        return [datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for (name,) in cursor.fetchall()]


def ensure(*, now: datetime, ahead_days: int) -> list[str]:
    """Makes the partitions from yesterday to ``ahead_days`` from ``now``; returns the names of those it made.

    Rows that fell into the DEFAULT partition meanwhile are moved to where they belong. Idempotent, and safe to run
    from several processes at once.
    """
    today = now.astimezone(UTC).date()
    wanted = [today + timedelta(days=offset) for offset in range(-1, ahead_days + 1)]
    made: list[str] = []
    for table in TABLES:
        for day in sorted(set(wanted) - set(existing_days(table))):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                if day not in existing_days(table):
                    made.append(_make(table, day))
    if made:
        logger.info("partitions made", extra={"partitions": made})
    return made


def _make(table: str, day: date) -> str:
    name = partition_name(table, day)
    low, high = floor_id(day_start(day)), floor_id(day_start(day + timedelta(days=1)))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE id >= %s AND id < %s RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved",
            [low, high],
        )
        cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')")
    return name


def drop_past(*, now: datetime, retention_days: int) -> list[str]:
    """Drops partitions whose whole day is older than ``retention_days``; returns their names.

    A day that still holds a delivery in flight is kept, whatever its age: nothing accepted is lost.
    """
    oldest = now.astimezone(UTC).date() - timedelta(days=retention_days)
    dropped: list[str] = []
    for day in existing_days("notify_delivery"):
        if day >= oldest:
            break
        if _in_flight(day):
            continue
        for table in TABLES:
            name = partition_name(table, day)
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {name}")
            dropped.append(name)
    if dropped:
        logger.info("partitions dropped", extra={"partitions": dropped})
    return dropped


def _in_flight(day: date) -> bool:
    return _any_live([partition_name("notify_delivery", day)])


def _any_live(tables: Iterable[str]) -> bool:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(
                f"SELECT EXISTS (SELECT 1 FROM {table} WHERE status IN ('queued', 'scheduled'))"
                f" OR EXISTS (SELECT 1 FROM {table} WHERE status = 'sending')"
            )
            row = cursor.fetchone()
            if row is not None and row[0]:
                return True
    return False


def oldest_live_day(*, now: datetime) -> date:
    """The oldest day with a delivery still in flight, yesterday at the latest.

    Claims look no further back, so a month of finished partitions costs them nothing. With work in the DEFAULT
    partition (a day was missing) they look everywhere.
    """
    if _any_live(["notify_delivery_default"]):
        return date(1970, 1, 1)
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    for day in existing_days("notify_delivery"):
        if day >= yesterday:
            break
        if _in_flight(day):
            return day
    return yesterday


@dataclass(frozen=True, slots=True)
class Window:
    """The ids that claims look at: from the oldest day with live deliveries to a little past now."""

    floor: UUID
    ceiling: UUID


class _FloorCache:
    """The oldest live day, looked up at most every few seconds in each process."""

    day: date | None = None
    read_at: datetime | None = None


def live_window(*, now: datetime) -> Window:
    """The window of ids for queries on live deliveries."""
    cache = _FloorCache
    if cache.day is None or cache.read_at is None or not timedelta() <= now - cache.read_at < _FLOOR_MAX_AGE:
        cache.day, cache.read_at = oldest_live_day(now=now), now
    return Window(floor=floor_id(day_start(cache.day)), ceiling=floor_id(now + _CLOCK_SLACK))


def forget_live_window() -> None:
    """Makes the next claim look for the oldest live day anew (an old delivery has come back to life)."""
    _FloorCache.day = None
