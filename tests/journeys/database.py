"""Behind the product: the rows of a live stack, where a test has to look past its pages, or to let time pass."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg2

from tests.stack.live import LiveStack


def run_inside(live: LiveStack, code: str) -> str:
    """Runs a few lines inside of the product; gives what they print."""
    done = live.manage("shell", "-v", "0", "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def rows(live: LiveStack, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database answers."""
    with (
        contextlib.closing(psycopg2.connect(live.addresses()["database_url"])) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, values)
        return cursor.fetchall()


def leave_only(live: LiveStack, number: int, *, seconds: float) -> float:
    """Makes a degradation that is in force older, until so many seconds of its time are left; gives the moment (Unix
    time) of its end. Fifteen minutes is the least that anything may last, so all its times are moved in the database,
    by the same; from there on the clock ends it."""
    [(ends_at,)] = rows(
        live,
        "WITH past AS (SELECT id, pin_id, ends_at - now() - %s * interval '1 second' AS gone"
        " FROM admin_portal_degradationrequest WHERE id = %s AND state = 'active'),"
        " pin AS (UPDATE channels_pin SET starts_at = starts_at - gone, ends_at = ends_at - gone"
        " FROM past WHERE channels_pin.id = past.pin_id)"
        " UPDATE admin_portal_degradationrequest asked SET applied_at = applied_at - gone, ends_at = ends_at - gone"
        " FROM past WHERE asked.id = past.id RETURNING extract(epoch FROM asked.ends_at)::float",
        seconds,
        number,
    )
    return float(ends_at)
