"""Daily partitions over the UUIDv7 key: made ahead, and dropped whole when their day is past retention.

Every partitioned table has a DEFAULT partition, so a missing day costs some order and never an insert.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState
from psycopg2.errors import DeadlockDetected, LockNotAvailable

from notify.ids import CLOCK_MARGIN, floor_id

logger = logging.getLogger(__name__)

TABLES: Final = ("notify_notification", "notify_delivery", "notify_attempt", "notify_event")
#: One number for the advisory lock that keeps two processes from making the same partition at once.
_LOCK: Final = 0x676F7574
_LOCK_MS: Final = 200
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


@contextmanager
def _brief_locks() -> Iterator[CursorWrapper]:
    """A transaction for DDL, with the lock that keeps two processes from doing it at once. It waits for no table for
    long: whoever comes after it would wait with it, which is the whole platform behind one long reader."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_MS}ms"])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield cursor


def _is_busy(error: OperationalError) -> bool:
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


def ensure(*, now: datetime, ahead_days: int) -> list[str]:
    """Makes the partitions from yesterday to ``ahead_days`` from ``now``; returns the names of those it made.

    Rows that fell into the DEFAULT partition meanwhile are moved to where they belong. Idempotent, and safe to run
    from several processes at once. What is in use for too long is left for the next time.
    """
    today = now.astimezone(UTC).date()
    wanted = [today + timedelta(days=offset) for offset in range(-1, ahead_days + 1)]
    made: list[str] = []
    for table in TABLES:
        for day in sorted(set(wanted) - set(existing_days(table))):
            try:
                with _brief_locks() as cursor:
                    if day not in existing_days(table):
                        made.append(_make(cursor, table, day))
            except OperationalError as error:
                if not _is_busy(error):
                    raise
                logger.warning("partition not made: in use", extra={"partition": partition_name(table, day)})
    if made:
        logger.info("partitions made", extra={"partitions": made})
    return made


def _make(cursor: CursorWrapper, table: str, day: date) -> str:
    name = partition_name(table, day)
    low, high = _ids_of(day)
    if _exists(cursor, f"SELECT 1 FROM {table}_default WHERE id >= %(low)s AND id < %(high)s", low=low, high=high):
        # Statements that are planned before rows move, and run after it, would look for them in vain.
        cursor.execute(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
    # Attaching takes this lock too, but a row that came in between here and there would make it fail.
    cursor.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    cursor.execute(
        f"WITH moved AS (DELETE FROM {table}_default WHERE id >= %s AND id < %s RETURNING *)"
        f" INSERT INTO {name} SELECT * FROM moved",
        [low, high],
    )
    cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')")
    return name


def _ids_of(day: date) -> tuple[UUID, UUID]:
    """The smallest id of ``day``, and of the next."""
    return floor_id(day_start(day)), floor_id(day_start(day + timedelta(days=1)))


def drop_past(*, now: datetime, retention_days: int) -> list[str]:
    """Drops partitions whose whole day is older than ``retention_days``; returns their names.

    A notification is kept, with its history, while a delivery of it is in flight or was until less than
    ``retention_days`` ago, wherever that delivery is: it may have been scheduled for much later, or gone on by another
    channel. A day that holds any part of such a one is kept whole.
    """
    since = now - timedelta(days=retention_days)
    dropped: list[str] = []
    for day in sorted({day for table in TABLES for day in existing_days(table)}):
        if day >= since.astimezone(UTC).date():
            break
        if _is_wanted(day, since):
            continue
        try:
            with _brief_locks() as cursor:
                dropped += _drop(cursor, day)
        except OperationalError as error:
            if not _is_busy(error):
                raise
            logger.warning("partitions not dropped: in use", extra={"day": str(day)})
    if dropped:
        logger.info("partitions dropped", extra={"partitions": dropped})
    return dropped


_LIVE: Final = "d.status IN ('queued', 'scheduled', 'sending')"
_KEPT: Final = f"({_LIVE} OR d.finished_at > %(since)s)"
_OF_THE_DAY: Final = "d.notification_id >= %(low)s AND d.notification_id < %(high)s"
#: Two, so that each leaves out the day's own partition, where it would read everything.
_ALIVE_ELSEWHERE: Final = tuple(
    f"SELECT 1 FROM notify_delivery d WHERE {_OF_THE_DAY} AND {elsewhere} AND {_LIVE}"
    for elsewhere in ("d.id < %(low)s", "d.id >= %(high)s")
)


def _is_wanted(day: date, since: datetime) -> bool:
    """Reads all of ``day``, and locks nothing: that may take a while."""
    low, high = _ids_of(day)
    tests = [f"SELECT 1 FROM notify_delivery d WHERE {_OF_THE_DAY} AND {_KEPT}"]
    # Parts of older notifications: what was tried and told of them on this day.
    tests += [
        f"SELECT 1 FROM {partition_name(table, day)} x"
        " WHERE (x.notification_id < %(low)s OR x.notification_id >= %(high)s) AND EXISTS"
        f" (SELECT 1 FROM notify_delivery d WHERE d.notification_id = x.notification_id AND {_KEPT})"
        for table in TABLES[1:]
        if day in existing_days(table)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")
        return any(_exists(cursor, test, low=low, high=high, since=since) for test in tests)


def _drop(cursor: CursorWrapper, day: date) -> list[str]:
    """Drops ``day``, unless something of it came back to life since it was looked through."""
    names = [partition_name(table, day) for table in TABLES if day in existing_days(table)]
    if not names:  # somebody else was quicker
        return []
    # Dropping takes these locks anyway. Taken first, nothing can slip in between the look and the drop.
    for table in TABLES:
        cursor.execute(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
    low, high = _ids_of(day)
    own = {partition_name("notify_delivery", day)} & set(names)
    if _any_live(own) or any(_exists(cursor, test, low=low, high=high) for test in _ALIVE_ELSEWHERE):
        return []
    cursor.execute(f"DROP TABLE {', '.join(names)}")
    return names


def _exists(cursor: CursorWrapper, query: str, **parameters: UUID | datetime) -> bool:
    cursor.execute(f"SELECT EXISTS ({query})", parameters)
    return bool(cursor.fetchone()[0])


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
        if _any_live([partition_name("notify_delivery", day)]):
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
    return Window(floor=floor_id(day_start(cache.day)), ceiling=floor_id(now + CLOCK_MARGIN))


def forget_live_window() -> None:
    """Makes the next claim look for the oldest live day anew (an old delivery has come back to life)."""
    _FloorCache.day = None
