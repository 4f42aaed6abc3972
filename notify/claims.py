"""Claiming: due deliveries are taken under a lease, in one short statement.

The texts are in ``notify/sql``; the door to them is ``notify.lanes``.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from notify import partitions, prepared
from notify.prepared import Prepared
from notify.rows import Claimed
from notify.sql import statement

#: A worker whose clock is wrong sends what is scheduled no more than this too early. Clocks that NTP keeps are apart by
#: milliseconds, and what was just accepted must not wait for them.
_CLOCK_AHEAD_S: Final = 2.0

_CLAIMED: Final = ", ".join(f"d.{field.name}" for field in fields(Claimed))
_CLAIM: Final = Prepared(
    "claim",
    lambda: f"{statement('claim')} RETURNING {_CLAIMED}",
    {
        **dict.fromkeys(("ahead_s", "lease_s", "vip_share", "standard_share"), "double precision"),
        **dict.fromkeys(("lease", "floor", "ceiling"), "uuid"),
        "lane": "text",
        "limit": "integer",
        "now": "timestamptz",
    },
)
#: One plan for every lane, made when a day's partitions may still be empty, where reading all of a table costs nothing.
#: It is kept for as long as the connection, so it has to be good for a million rows too.
_CLAIMS_GO_BY_INDEX: Final = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),"
    " set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
)


def claim(*, lane: str, limit: int, lease: UUID, now: datetime, ahead_s: float = _CLOCK_AHEAD_S) -> list[Claimed]:
    """Takes up to about ``limit`` due deliveries of ``lane`` under ``lease``, a share from each waiting application.
    ``now`` counts for no more than ``ahead_s`` seconds ahead of the database's clock."""
    view = partitions.live_window(now=now)
    shares = settings.LANES["SHARES"]
    parameters: dict[str, Any] = {
        "lane": lane,
        "limit": limit,
        "lease": lease,
        "lease_s": settings.LANES["LEASE_S"],
        "now": now,
        "ahead_s": ahead_s,
        "floor": view.floor,
        "ceiling": view.ceiling,
        "vip_share": shares["vip"],
        "standard_share": shares["standard"],
    }
    with connection.cursor() as cursor:
        prepared.run(cursor, (_CLAIM, parameters), under=_CLAIMS_GO_BY_INDEX)
        return [Claimed(*row) for row in cursor.fetchall()]


def claimed_by(name: str, parameters: dict[str, Any]) -> list[Claimed]:
    """What the statement ``name``, an UPDATE of deliveries called ``d``, takes."""
    with connection.cursor() as cursor:
        cursor.execute(f"{statement(name)} RETURNING {_CLAIMED}", parameters)
        return [Claimed(*row) for row in cursor.fetchall()]
