"""The proof: everything accepted is either at an end or on its way, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from notify.ids import floor_id
from notify.models.delivery import IN_FLIGHT
from notify.sql import statement


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Counts of deliveries. ``suspected_duplicates``: deliveries that were sent, and may have been sent before that
    (an earlier attempt succeeded, or had an unknown outcome). *sent* is in flight while a receipt is awaited."""

    since: str
    accepted: int
    terminal: dict[str, int]
    in_flight: dict[str, int]
    unaccounted: int
    suspected_duplicates: int

    @property
    def balanced(self) -> bool:
        """Whether accepted = terminal + in flight."""
        return self.unaccounted == 0

    def as_dict(self) -> dict[str, Any]:
        """The shape of the contract."""
        return asdict(self)


def reconcile(*, since: datetime) -> Reconciliation:
    """Counts everything accepted since ``since``, in one snapshot of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        try:
            cursor.execute(statement("reconcile"), {"since": floor_id(since)})
            rows = cursor.fetchall()
        finally:
            cursor.execute("RESET statement_timeout")
    counts = {kind: number for kind, _status, number in rows if kind not in ("state", "awaited")}
    states = {status: number for kind, status, number in rows if kind == "state"}
    awaited = {status: number for kind, status, number in rows if kind == "awaited"}
    in_flight = {**awaited, **{status: number for status, number in states.items() if status in IN_FLIGHT}}
    accepted = counts["accepted"] + counts["promised"]
    return Reconciliation(
        since=since.isoformat(),
        accepted=accepted,
        terminal={status: number for status, number in sorted(states.items()) if status not in IN_FLIGHT},
        in_flight=dict(sorted(in_flight.items())),
        unaccounted=abs(accepted - sum(states.values()) - sum(awaited.values())) + counts["orphans"],
        suspected_duplicates=counts["duplicates"],
    )
