"""Pulses: which lanes have due work, and when each was last seen moving.

Dated by the database's clock, so that a host whose own is wrong neither hides a lane that stands still nor disturbs one
that moves.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from notify import partitions
from notify.sql import statement


class DueLane(NamedTuple):
    """A lane with work that is due, since when, and when it was last seen moving, by the clock of who asked."""

    lane: str
    due_at: datetime
    seen_at: datetime | None


def due_lanes(*, now: datetime) -> list[DueLane]:
    """The lanes with due work, the one that waits longest first."""
    view = partitions.live_window(now=now)
    with connection.cursor() as cursor:
        cursor.execute(statement("due_lanes"), {"now": now, "floor": view.floor, "ceiling": view.ceiling})
        return [DueLane(*row) for row in cursor.fetchall()]


def feel_pulse(*, lane: str, worker: str) -> None:
    """Notes that ``lane`` is moving."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notify_lanepulse (lane, seen_at, worker) VALUES (%s, clock_timestamp(), %s)"
            " ON CONFLICT (lane) DO UPDATE SET seen_at = excluded.seen_at, worker = excluded.worker",
            [lane, worker[:64]],
        )


def moved_within(*, lane: str, seconds: float, not_by: str = "") -> bool:
    """Whether ``lane`` was seen moving in the last ``seconds``, by somebody else than the worker ``not_by``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM notify_lanepulse"
            " WHERE lane = %s AND seen_at > clock_timestamp() - make_interval(secs => %s) AND worker <> %s)",
            [lane, seconds, not_by],
        )
        return bool(cursor.fetchone()[0])
