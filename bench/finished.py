"""Finished deliveries by the million, in the partitions of past days.

A past day's partition is made outside of its table, unlogged, and attached: ten million rows would write as many
gigabytes of log again, and nobody writes to a past day. Today's go into the partition that is in use.

They are smaller than what is measured beside them. Where they are larger, each of their pages has a hole at its end
that takes one new row: 10,000 of these lay on 7,482 pages (on 286 now), all of which PostgreSQL logged whole after the
next checkpoint, for a fifth of the speed. Such a hole is filled once in the life of a page; a bench that clears away
after each run would fill it again and again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from notify.ids import floor_id
from notify.partitions import day_start, partition_name

_NOTIFICATION: Final = "notify_notification"
_DELIVERY: Final = "notify_delivery"
_NOTIFICATIONS: Final = """
INSERT INTO {notifications} (id, application_id, locale, priority, category, route, channels, "to", params, content,
    metadata, ref, callback_url, is_test, request_id, expires_at, created_at)
SELECT uuidv7(%(shift)s::interval + n * %(apart)s::interval), %(application)s, 'en', 'bulk', '', 'all', ARRAY['sms'],
    jsonb_build_object('phone', '+86138' || lpad((n %% 100000000)::text, 8, '0')), '{{}}',
    '{{"text": "Hello."}}', '{{}}', '', '', false, '', %(at)s::timestamptz + interval '1 day', %(at)s
  FROM generate_series(1, %(count)s) n
"""
#: With the ids of their notifications, which are as good as any.
_DELIVERIES: Final = """
INSERT INTO {deliveries} (id, notification_id, application_id, kind, channel, lane, step, address, is_test, status,
    due_at, deadline, attempts, waits, replays, cancel_requested, provider, provider_message_id, error_code,
    error_detail, created_at, sent_at, finished_at, address_hash)
SELECT id, id, application_id, 0, 'sms', 'sms.bulk', 0, "to" ->> 'phone', false, 'sent', created_at, expires_at, 1,
    0, 0, false, 'noop', id::text, '', '', created_at, created_at, created_at,
    hashtextextended("to" ->> 'phone', 0)
  FROM {notifications}
 WHERE application_id = %(application)s AND created_at = %(at)s AND priority = 'bulk'
"""


def fill(cursor: Any, *, day: date, application_id: int, count: int) -> None:
    """``count`` finished deliveries with their notifications, accepted on ``day``, evenly over it. A past day's own
    rows are replaced."""
    now = datetime.now(UTC)
    start = day_start(day)
    past = day < now.date()
    spread = (day_start(now.date()) - start).total_seconds() if past else (now - start).total_seconds()
    spread = min(spread, 86_400.0) * 0.98
    names = {"notifications": _NOTIFICATION, "deliveries": _DELIVERY}
    if past:
        names = {"notifications": _make(cursor, _NOTIFICATION, day), "deliveries": _make(cursor, _DELIVERY, day)}
    parameters = {
        "shift": f"{(start - now).total_seconds()} s",
        "apart": f"{spread / max(count, 1)} s",
        "count": count,
        "application": application_id,
        "at": start,
    }
    for statement in (_NOTIFICATIONS, _DELIVERIES):
        cursor.execute(statement.format(**names), parameters)
    if past:
        _attach(cursor, _NOTIFICATION, day)
        _attach(cursor, _DELIVERY, day)


def _make(cursor: Any, table: str, day: date) -> str:
    name = partition_name(table, day)
    cursor.execute(f"DROP TABLE IF EXISTS {name}")
    cursor.execute(f"CREATE UNLOGGED TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    return name


def _attach(cursor: Any, table: str, day: date) -> None:
    low, high = floor_id(day_start(day)), floor_id(day_start(day + timedelta(days=1)))
    cursor.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {partition_name(table, day)} FOR VALUES FROM ('{low}') TO ('{high}')"
    )
