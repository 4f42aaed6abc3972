"""How deep the lanes are. Others read this as ``notify.queries.lane_depths``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from channels.names import LANES
from notify import partitions
from notify.sql import statement

#: Up to here the due deliveries of a lane are counted; a deeper lane is "at least this deep".
MAX_DEPTH: Final = 100_000


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """How many deliveries of a lane are due, and for how many seconds the first of them has been (0 when none is).
    ``capped``: there are at least ``depth``; nobody counted further."""

    name: str
    depth: int
    oldest_age_s: float
    capped: bool = False


def lane_depths(*, now: datetime, lanes: Sequence[str] | None = None, at_most: int | None = None) -> list[LaneDepth]:
    """The depth of ``lanes``, in their order; of every lane when not given. What waits for a later time (scheduled, or
    for a retry) is not counted. Reads at most ``at_most`` (MAX_DEPTH) index entries of a lane, whatever its depth."""
    wanted = list(LANES) if lanes is None else list(lanes)
    cap = at_most or MAX_DEPTH
    found = _count(wanted, now=now, cap=cap)
    return [_lane_depth(lane, *found.get(lane, (0, now)), now=now, cap=cap) for lane in wanted]


def _count(wanted: list[str], *, now: datetime, cap: int) -> dict[str, tuple[int, datetime]]:
    view = partitions.live_window(now=now)
    parameters: dict[str, Any] = {
        "lanes": wanted,
        "now": now,
        "cap": cap,
        "floor": view.floor,
        "ceiling": view.ceiling,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # A bitmap scan would read a lane's whole index before the first row, and no LIMIT could stop it.
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(statement("lane_depths"), parameters)
        found = {lane: (depth, oldest) for lane, depth, oldest in cursor.fetchall()}
        cursor.execute("SET LOCAL enable_bitmapscan = on")
    return found


def _lane_depth(lane: str, depth: int, oldest: datetime, *, now: datetime, cap: int) -> LaneDepth:
    age = max(0.0, (now - oldest).total_seconds())
    return LaneDepth(name=lane, depth=depth, oldest_age_s=round(age, 3), capped=depth >= cap)
