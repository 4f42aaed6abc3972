"""What a claim costs when a lane is very long, beside the same claim from a short one."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Target
from notify import lanes

_LONG: Final = "sms.bulk"
_SHORT: Final = "sms.normal"
_CLAIM: Final = 500
_CLAIMS: Final = 10
#: How the product asks for it.
_CALL: Final = "EXECUTE goutong_claim"
_FINISH: Final = (
    "UPDATE notify_delivery SET status = 'sent', lease = NULL, lease_until = NULL, finished_at = now()"
    " WHERE status = 'sending'"
)


class _Lanes:
    """A long lane and a short one, in the same table, each of one application."""

    def __init__(self, bench: Bench, cursor: Any) -> None:
        self._cursor = cursor
        self._application = bench.application("claim")
        self.long = bench.size(1_000_000, least=20_000)
        self.short = bench.size(10_000, least=_CLAIM * _CLAIMS * 2)
        populate.empty(cursor)
        self._queue("bulk", self.long)
        self._queue("normal", self.short)
        populate.settle(cursor)

    def _queue(self, priority: str, count: int) -> None:
        populate.queue(self._cursor, application_id=self._application.pk, channel="sms", priority=priority, count=count)

    def claims(self, lane: str) -> float:
        """Milliseconds a claim; what was claimed is finished afterwards, as it would be, and as much comes after it."""
        took = 0.0
        for _ in range(_CLAIMS):
            began = time.perf_counter()
            claimed = lanes.claim(lane=lane, limit=_CLAIM, lease=uuid4(), now=timezone.now())
            took += time.perf_counter() - began
            assert len(claimed) == _CLAIM, f"{lane}: {len(claimed)} claimed"
            self._cursor.execute(_FINISH)
        self._queue("bulk" if lane == _LONG else "normal", _CLAIM * _CLAIMS)
        return took / _CLAIMS * 1000


def explain_claim(lane: str) -> str:
    """PostgreSQL's own account of a claim by the plan that it keeps, which is undone afterwards."""
    caught: list[tuple[str, Any]] = []

    def catch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        caught.append((sql, params))
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(catch):
        lanes.claim(lane=lane, limit=_CLAIM, lease=uuid4(), now=timezone.now())
        transaction.set_rollback(True)
    (claim,) = [one for one in caught if _CALL in one[0]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(claim[0].replace(_CALL, f"EXPLAIN (ANALYZE, BUFFERS) {_CALL}"), claim[1])
        lines = [line for (line,) in cursor.fetchall()]
        transaction.set_rollback(True)
    return "\n".join(lines)


def run(bench: Bench) -> Outcome:
    """The long lane and the short one, in turn."""
    with bench.rig.database() as cursor:
        both = _Lanes(bench, cursor)
        both.claims(_SHORT)  # the first claims of a process look for the oldest live day, and plan
        both.claims(_LONG)
        found = bench.alternate("ms", long=lambda: both.claims(_LONG), short=lambda: both.claims(_SHORT))
        plans = {"long": explain_claim(_LONG), "short": explain_claim(_SHORT)}
        populate.empty(cursor)
    return Outcome(
        figures=(
            Figure(
                measure="claim",
                label=f"a claim of {_CLAIM} with {both.long:,} due, against {both.short:,}",
                ours=found["long"],
                baseline=found["short"],
                target=Target(most=1.2),
            ),
        ),
        details={"plans": plans},
    )
