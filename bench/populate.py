"""Rows by the hundred thousand, made by PostgreSQL itself: as accepting would have left them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

from channels.names import ADDRESS_FIELDS, lane_name

_TABLES: Final = ("notify_notification", "notify_delivery", "notify_attempt", "notify_event", "notify_deadletter")
_ADDRESSES: Final = {
    "email": "'user' || n || '@example.com'",
    "webhook": "'https://hooks.example.com/' || n",
    "sms": "'+86138' || lpad((n %% 100000000)::text, 8, '0')",
}

_NOTIFICATIONS: Final = """
INSERT INTO notify_notification (id, application_id, template_version_id, locale, priority, category, route, channels,
    "to", params, content, metadata, ref, callback_url, is_test, request_id, expires_at, created_at)
SELECT uuidv7(), %(application)s, %(template)s, 'en', %(priority)s, '', 'all', ARRAY[%(channel)s],
    jsonb_build_object(%(field)s, {address}), %(params)s::jsonb, %(content)s::jsonb, '{{}}', '', '', %(test)s, '',
    now() + interval '1 day', now()
  FROM generate_series(1, %(count)s) n
"""
#: A delivery for each notification that has none yet: those just made.
_DELIVERIES: Final = """
INSERT INTO notify_delivery (id, notification_id, application_id, kind, channel, lane, step, address, is_test, status,
    due_at, deadline, attempts, waits, replays, cancel_requested, provider, provider_message_id, error_code,
    error_detail, created_at, address_hash)
SELECT uuidv7(), made.id, %(application)s, 0, %(channel)s, %(lane)s, 0, made."to" ->> %(field)s,
    %(test)s, 'queued', now(), now() + interval '1 day', 0, 0, 0, false, '', '', '', '', now(),
    hashtextextended(made."to" ->> %(field)s, 0)
  FROM made
"""


def empty(cursor: Any) -> None:
    """Removes every notification and what belongs to it."""
    cursor.execute(f"TRUNCATE {', '.join(_TABLES)}")


def queue(
    cursor: Any,
    *,
    application_id: int,
    channel: str,
    priority: str,
    count: int,
    template_version_id: int | None = None,
    is_test: bool = False,
) -> None:
    """``count`` notifications with a delivery each that is due; by a template, or with content of their own. Those of
    a test key go to the built-in sandbox."""
    statement = f'WITH made AS ({_NOTIFICATIONS.format(address=_ADDRESSES[channel])} RETURNING id, "to") {_DELIVERIES}'
    content = None if template_version_id else json.dumps({"subject": "Hello", "text": "Hello, this is a message."})
    cursor.execute(
        statement,
        {
            "application": application_id,
            "channel": channel,
            "priority": priority,
            "lane": lane_name(channel, priority),
            "field": ADDRESS_FIELDS[channel],
            "template": template_version_id,
            "params": json.dumps({"code": "123456"} if template_version_id else {}),
            "content": content,
            "count": count,
            "test": is_test,
        },
    )


def settle(cursor: Any, *, since: date | None = None) -> None:
    """What a server that ran for a while would have done already: statistics, a checkpoint, no dirty pages. ``since``
    leaves out the partitions of the days before."""
    tables = ", ".join(_TABLES)
    if since is not None:
        cursor.execute(
            "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class"
            " WHERE relkind = 'r' AND relname ~ '^notify_(notification|delivery|attempt|event)_\\d{8}$'"
            " AND right(relname, 8) >= %s",
            [f"{since:%Y%m%d}"],
        )
        (tables,) = cursor.fetchone()
    cursor.execute(f"VACUUM ANALYZE {tables}")
    cursor.execute("CHECKPOINT")
