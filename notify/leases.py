"""Leases: kept, and given back. Dated by the database's clock, since no two hosts agree on the time.

"status || ''": rows are found by their keys, never by the index of leases, which holds all that is being sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from notify import partitions

_RELEASE: Final = (
    "UPDATE notify_delivery SET lease = NULL, lease_until = NULL,"
    " status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,"
    " finished_at = CASE WHEN cancel_requested THEN %s END WHERE lease = %s AND "
)


def renew(*, ids: Sequence[UUID], lease: UUID) -> set[UUID]:
    """Keeps the lease on ``ids`` for another term; returns those that are still held under it."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notify_delivery SET lease_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = ANY (%s) AND id >= %s AND id <= %s AND status || '' = 'sending' AND lease = %s RETURNING id",
            [settings.LANES["LEASE_S"], list(ids), min(ids), max(ids), lease],
        )
        return {identifier for (identifier,) in cursor.fetchall()}


def release(*, ids: Sequence[UUID], lease: UUID, now: datetime) -> int:
    """Gives back deliveries that were claimed and not handed over: they are due again at once, nothing counted."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _RELEASE + "status || '' = 'sending' AND id = ANY (%s) AND id >= %s AND id <= %s",
            [now, lease, list(ids), min(ids), max(ids)],
        )
        return int(cursor.rowcount)


def release_lease(*, lease: UUID, now: datetime) -> int:
    """Gives back everything that is still held under ``lease``, known or not: a claim may have been committed unheard.
    Only for who has handed over nothing of it, or has recorded all that was."""
    view = partitions.live_window(now=now)
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE + "status = 'sending' AND id >= %s AND id < %s", [now, lease, view.floor, view.ceiling])
        return int(cursor.rowcount)
