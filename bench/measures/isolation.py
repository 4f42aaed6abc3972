"""What a fault in one place does to the others: hanging providers, dead endpoints, a storm of requests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg2

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target, percentile
from bench.load.http import Plan
from bench.load.run import Load
from bench.measures.accept import BODY, TEMPLATE
from notify import lanes

_TIMEOUT_S: Final = 1.0
_LIMIT_S: Final = 60.0
EMAIL: Final[dict[str, Any]] = {
    "name": "well",
    "channel": "email",
    "adapter": "sandbox",
    "max_concurrency": 16,
    "config": {"journal": False, "latency_ms": 5},
}
_HANGING: Final[dict[str, Any]] = {
    "name": "hanging",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": 64,
    "timeout_s": _TIMEOUT_S,
    "config": {"journal": False, "timeout_rate": 1},
}
#: What two web processes may use at most (docs/architecture.md): eight threads each, and two that look after health and
#: figures once somebody asks for them. The embedded server allows 200.
_CONNECTIONS_OF_WEB: Final = 2 * (8 + 2)


class _Isolation:
    """Email that goes well, and what may disturb it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        self._drained = bench.size(2_000, least=300)
        bench.configure({"templates": [TEMPLATE]})
        self.application = bench.application("isolation")

    def queue(self, channel: str, priority: str, count: int, *, is_test: bool = False) -> None:
        """More that is due."""
        with self._rig.database() as cursor:
            populate.queue(
                cursor,
                application_id=self.application.pk,
                channel=channel,
                priority=priority,
                count=count,
                is_test=is_test,
            )
        lanes.ring([f"{channel}.{priority}"])

    def email(self) -> dict[str, float]:
        """How fast a backlog of email is drained, and how long one email takes when they come one after the other."""
        first = self._now()
        began = time.monotonic()
        self.queue("email", "normal", self._drained)
        self._wait_for("email.normal", since=first)
        rate = self._drained / (time.monotonic() - began)
        return {"rate": rate, "p99": percentile(self.trickle("email", "critical"), 0.99) * 1000}

    def trickle(self, channel: str, priority: str, *, a_second: int = 40, is_test: bool = False) -> list[float]:
        """Seconds from acceptance to the provider's call, of messages that come evenly."""
        lane = f"{channel}.{priority}"
        first = self._now()
        until = time.monotonic() + self._bench.seconds(2.0, least=1.0)
        due = time.monotonic()
        while (now := time.monotonic()) < until:
            time.sleep(max(0.0, due - now))
            due += 1 / a_second
            self.queue(channel, priority, 1, is_test=is_test)
        self._wait_for(lane, since=first)
        with self._rig.database() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM min(a.started_at) - d.created_at) FROM notify_delivery d"
                " JOIN notify_attempt a ON a.delivery_id = d.id WHERE d.lane = %s AND d.id >= %s"
                " GROUP BY d.id, d.created_at",
                [lane, first],
            )
            return [float(seconds) for (seconds,) in cursor.fetchall()]

    def _now(self) -> str:
        with self._rig.database() as cursor:
            cursor.execute("SELECT uuidv7()::text")
            return str(cursor.fetchone()[0])

    def _wait_for(self, lane: str, *, since: str) -> None:
        """Waits until everything that came into ``lane`` since then was handed to a provider, and an answer written."""
        with self._rig.database() as cursor:
            deadline = time.monotonic() + _LIMIT_S
            while True:
                cursor.execute(
                    "SELECT count(*) FROM notify_delivery WHERE lane = %s AND id >= %s AND attempts = 0",
                    [lane, since],
                )
                (left,) = cursor.fetchone()
                if not left:
                    return
                assert time.monotonic() < deadline, f"{left} of {lane} are not sent after {_LIMIT_S} s"
                time.sleep(0.05)

    @contextmanager
    def hanging(self, channel: str, priorities: Sequence[str]) -> Iterator[None]:
        """Meanwhile a channel has far more due than its providers, which hang, will ever answer."""
        for priority in priorities:
            self.queue(channel, priority, self._bench.size(2_000, least=300))
        time.sleep(self._bench.seconds(1.0))
        try:
            yield
        finally:
            with self._rig.database() as cursor:  # what nobody took must not meet the next run
                populate.empty(cursor)
            time.sleep(_TIMEOUT_S)

    def disturbed(self, channel: str) -> dict[str, float]:
        """``email`` while every provider of ``channel`` hangs."""
        with self.hanging(channel, ("critical", "normal", "bulk")):
            return self.email()

    def critical(self) -> dict[str, float]:
        """Critical messages while bulk of the same channel hangs: to a provider of their own, that of test keys."""
        with self.hanging("sms", ("bulk",)):
            took = self.trickle("sms", "critical", is_test=True)
        return {"p99": percentile(took, 0.99) * 1000}


def _storm(bench: Bench) -> dict[str, float]:
    """The most connections that PostgreSQL saw from the web processes while they had more requests than threads."""
    key = bench.api_key("isolation")
    plan = Plan(
        port=bench.rig.port,
        path="/api/v1/notifications",
        body=json.dumps(BODY),
        headers={"Authorization": f"Bearer {key}"},
        connections=100,
        seconds=bench.seconds(2.0, least=1.0),
    )
    most = 0
    over = threading.Event()

    def count() -> None:
        nonlocal most
        with psycopg2.connect(bench.rig.database_url) as connection, connection.cursor() as cursor:
            while not over.wait(0.05):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'goutong-web'")
                most = max(most, *(number for (number,) in cursor.fetchall()))
                connection.rollback()

    counting = threading.Thread(target=count)
    counting.start()
    try:
        with Load(plan) as load:
            answers = load.wait()
    finally:
        over.set()
        counting.join()
    refused = sum(number for status, number in answers.statuses.items() if status not in (202, 429, 503))
    assert not refused, answers.statuses
    return {"connections": float(most)}


def run(bench: Bench) -> Outcome:
    """Each fault in turn with its absence."""
    isolation = _Isolation(bench)
    hanging_webhook = {**_HANGING, "name": "dead-endpoints", "channel": "webhook"}
    bench.providers(EMAIL, _HANGING, hanging_webhook)
    for name in ("email", "sms", "webhook"):
        bench.rig.run_process(name)
    isolation.email()
    mail = bench.alternate_all(
        {
            "alone": isolation.email,
            "sms hangs": lambda: isolation.disturbed("sms"),
            "webhooks hang": lambda: isolation.disturbed("webhook"),
        }
    )
    critical = bench.alternate_all({"critical": isolation.critical})["critical"]
    bench.rig.stop_all_but_servers()
    bench.rig.run_process("web")
    storm = bench.alternate_all({"storm": lambda: _storm(bench)})["storm"]
    return Outcome(figures=(*_mail_figures(mail), _critical_figure(critical), _storm_figure(storm)))


def _mail_figures(mail: dict[str, dict[str, tuple[float, ...]]]) -> Iterator[Figure]:
    for fault in ("sms hangs", "webhooks hang"):
        for key, unit, target, what in (
            ("rate", "/s", Target(least=0.95), "email's throughput"),
            ("p99", "ms", Target(most=1.2), "email's p99"),
        ):
            yield Figure(
                measure="isolation",
                label=f"{what} while {fault}, against without",
                ours=Series(name=fault, unit=unit, values=mail[fault][key]),
                baseline=Series(name="without", unit=unit, values=mail["alone"][key]),
                target=target,
            )


def _critical_figure(critical: dict[str, tuple[float, ...]]) -> Figure:
    return Figure(
        measure="isolation",
        label="sms.critical to a healthy provider while bulk's hangs, p99",
        ours=Series(name="p99", unit="ms", values=critical["p99"]),
        target=Target(most=500),
    )


def _storm_figure(storm: dict[str, tuple[float, ...]]) -> Figure:
    return Figure(
        measure="isolation",
        label="connections of the web to PostgreSQL in a storm of requests",
        ours=Series(name="connections", unit="", values=storm["connections"]),
        target=Target(most=_CONNECTIONS_OF_WEB),
    )
