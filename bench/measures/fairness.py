"""Who waits when one application has a whole lane's work due."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target, percentile
from notify import lanes
from notify.models import Application

_LANE: Final = "sms.normal"
_SHARED: Final = "sms.bulk"
#: Slow enough that the lane stays full for as long as it is looked at: 20 at once of 20 ms are 1,000/s.
_PROVIDER: Final[dict[str, Any]] = {
    "name": "steady",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": 24,
    "config": {"journal": False, "latency_ms": 20},
}


class _Fairness:
    """One lane, and applications of different sizes."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        self.due = bench.size(200_000, least=5_000)
        self._large = bench.application("large")
        self._small = bench.application("small")
        self._vip = bench.application("vip", tier="vip")
        self.slowest: list[dict[str, float]] = []

    def fill(self) -> None:
        """The large application's work, and nothing else: what another measure left in a more urgent lane would go
        before it."""
        with self._rig.database() as cursor:
            populate.empty(cursor)
            self._queue(cursor, self._large, self.due)
            populate.settle(cursor)

    def _queue(self, cursor: Any, application: Application, count: int, *, priority: str = "normal") -> None:
        populate.queue(cursor, application_id=application.pk, channel="sms", priority=priority, count=count)

    def single(self) -> dict[str, float]:
        """Seconds that single messages of a small application need, while the large one has the lane full."""
        with self._rig.database() as cursor:
            lanes.ring([_LANE])
            time.sleep(self._bench.seconds(1.0))
            since = timezone.now()
            until = time.monotonic() + self._bench.seconds(4.0, least=1.0)
            while time.monotonic() < until:
                self._queue(cursor, self._small, 1)
                lanes.ring([_LANE])
                time.sleep(0.1)
            took = self._took(cursor, since)
            assert self._waiting(cursor), "the lane ran empty"
        return {"most": max(took), "p50": percentile(took, 0.5)}

    def _took(self, cursor: Any, since: datetime) -> list[float]:
        """Of the messages of this turn alone: one that was slow once is slow once."""
        while True:
            cursor.execute(
                "SELECT extract(epoch FROM sent_at - created_at)::float FROM notify_delivery"
                " WHERE application_id = %s AND created_at >= %s",
                [self._small.pk, since],
            )
            rows = [seconds for (seconds,) in cursor.fetchall()]
            if None not in rows:
                self.slowest.append(self._tell_slowest(cursor, since))
                return rows
            time.sleep(0.1)

    def _tell_slowest(self, cursor: Any, since: datetime) -> dict[str, float]:
        """Where the time of a turn's slowest message went: when it came, in seconds of the turn, and how many it was
        then until it was claimed, handed over, and sent; and how often it was put off."""
        cursor.execute(
            "SELECT extract(epoch FROM d.created_at - %s)::float,"
            " extract(epoch FROM a.claimed_at - d.created_at)::float,"
            " extract(epoch FROM a.started_at - d.created_at)::float,"
            " extract(epoch FROM d.sent_at - d.created_at)::float, d.waits, d.attempts"
            " FROM notify_delivery d JOIN notify_attempt a ON a.delivery_id = d.id"
            " WHERE d.application_id = %s AND d.created_at >= %s"
            " ORDER BY d.sent_at - d.created_at DESC, a.started_at DESC LIMIT 1",
            [since, self._small.pk, since],
        )
        names = ("came", "claimed", "handed_over", "sent", "waits", "attempts")
        return {name: round(value, 3) for name, value in zip(names, cursor.fetchone(), strict=True)}

    def _waiting(self, cursor: Any) -> bool:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM notify_delivery WHERE status = 'queued' AND lane = %s)", [_LANE])
        return bool(cursor.fetchone()[0])

    def shares(self) -> dict[str, float]:
        """How many times as much a vip application gets as a standard one, when both have more than enough due."""
        with self._rig.database() as cursor:
            # Both at once: a drain that is still under way would take the first one's alone.
            cursor.execute("BEGIN")
            cursor.execute("DELETE FROM notify_delivery WHERE lane = %s", [_SHARED])
            for application in (self._large, self._vip):
                self._queue(cursor, application, self._bench.size(8_000, least=3_000), priority="bulk")
            cursor.execute("COMMIT")
            lanes.ring([_SHARED])
            time.sleep(self._bench.seconds(3.0, least=1.0))
            cursor.execute(
                "SELECT count(*) FILTER (WHERE application_id = %s), count(*) FILTER (WHERE application_id = %s)"
                " FROM notify_delivery WHERE status = 'sent' AND lane = %s",
                [self._vip.pk, self._large.pk, _SHARED],
            )
            vip, standard = cursor.fetchone()
        return {"ratio": vip / max(standard, 1)}


def run(bench: Bench) -> Outcome:
    """Single messages, and shares, in turn."""
    fairness = _Fairness(bench)
    bench.providers(_PROVIDER)
    fairness.fill()
    bench.rig.run_process("sms")
    found = bench.alternate_all({"single": fairness.single, "shares": fairness.shares})
    return Outcome(
        figures=(
            Figure(
                measure="fairness",
                label=f"a small application's message beside {fairness.due:,} due, the slowest",
                ours=Series(name="slowest", unit="s", values=found["single"]["most"]),
                target=Target(most=1.0),
            ),
            Figure(
                measure="fairness",
                label="a vip application's share of a full lane, against a standard one's",
                ours=Series(name="share", unit="×", values=found["shares"]["ratio"]),
                target=Target(least=2.0),
                note="4 to 1 as configured (LANES['SHARES'])",
            ),
        ),
        details={"slowest_of_each_turn": fairness.slowest},
    )
