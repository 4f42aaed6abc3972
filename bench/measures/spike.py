"""A spike of bulk, ten times what comes otherwise, for a minute: what is shaved, what is lost, and who notices."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import urllib3

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target, percentile
from bench.load.http import Plan
from bench.load.run import Load
from bench.load.spike import Spike
from bench.measures.accept import BODY, TEMPLATE

_LANE: Final = "sms.bulk"
#: Nine of sixteen places are for bulk: 450 a second of 20 ms each.
_PROVIDER: Final[dict[str, Any]] = {
    "name": "spike",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": 16,
    "config": {"journal": False, "latency_ms": 20},
}
_SOFT: Final = 4_000
_HARD: Final = 12_000
#: 2,250 recipients a second; a tenth of that comes otherwise, half of what can leave.
_BATCH: Final = 45
_THREADS: Final = 4
_EVERY_S: Final = 0.08
_USUAL: Final = 0.1
_SPIKE_S: Final = 60.0
_BESIDES_S: Final = 10.0
_DRAINED_S: Final = 120.0


class _Application:
    """Calls the API with its key."""

    def __init__(self, bench: Bench, name: str) -> None:
        bench.application(name, rate_limit="900000/s", daily_quota=1_000_000_000)
        self.headers = {"Authorization": f"Bearer {bench.api_key(name)}"}
        self._http = urllib3.PoolManager(maxsize=_THREADS, retries=False, timeout=urllib3.Timeout(30))
        self._url = f"http://127.0.0.1:{bench.rig.port}/api/v1"

    def call(self, method: str, path: str, body: Any) -> urllib3.BaseHTTPResponse:
        """One request."""
        headers = {**self.headers, "Content-Type": "application/json"}
        return self._http.request(method, f"{self._url}/{path}", body=json.dumps(body).encode(), headers=headers)


@dataclass(frozen=True, slots=True)
class _Look:
    """The lane at a moment (time.monotonic()): how many are due or under way, how many have left."""

    at: float
    depth: int
    left: int


class _Watch:
    """Looks at the lane twice a second, from a thread of its own."""

    def __init__(self, bench: Bench) -> None:
        self._rig = bench.rig
        self._over = threading.Event()
        self.looks: list[_Look] = []

    def __enter__(self) -> _Watch:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_rest: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with self._rig.database() as cursor:
            while not self._over.wait(0.5):
                cursor.execute(
                    "SELECT count(*) FILTER (WHERE status <> 'sent'), count(*) FILTER (WHERE status = 'sent')"
                    " FROM notify_delivery WHERE lane = %s",
                    [_LANE],
                )
                self.looks.append(_Look(time.monotonic(), *cursor.fetchone()))

    def per_second(self, since: float, until: float, *, deeper_than: int = 0) -> float:
        """How many a second left the lane between two moments, while it was deeper than that."""
        looks = [one for one in self.looks if since <= one.at <= until and one.depth > deeper_than]
        return (looks[-1].left - looks[0].left) / (looks[-1].at - looks[0].at) if len(looks) > 1 else 0.0

    def back_at(self, depth: int, *, since: float) -> float:
        """When the lane was first no deeper than that, after ``since``."""
        return next((one.at for one in self.looks if one.at >= since and one.depth <= depth), time.monotonic())


@contextmanager
def _critical(bench: Bench, headers: Mapping[str, str], seconds: float) -> Iterator[dict[str, float]]:
    """Meanwhile critical messages come, one every 25 ms; afterwards the p99 of their requests and of the time from
    acceptance to the provider's call, in milliseconds."""
    plan = Plan(
        port=bench.rig.port,
        path="/api/v1/notifications",
        body=json.dumps(BODY),
        headers=dict(headers),
        connections=2,
        every_s=0.05,
        seconds=seconds,
    )
    since, found = datetime.now(UTC), dict[str, float]()
    with Load(plan) as load:
        yield found
        answers = load.wait()
    answers.per_second(202)  # raises when any was refused
    found["requests"] = percentile(answers.latencies_s, 0.99) * 1000
    with bench.rig.database() as cursor:
        bench.rig.wait_for(lambda: not _waiting(cursor, "sms.critical"), process="sms")
        cursor.execute(
            "SELECT extract(epoch FROM a.started_at - d.created_at) FROM notify_delivery d"
            " JOIN notify_attempt a ON a.delivery_id = d.id WHERE d.lane = 'sms.critical' AND d.created_at >= %s",
            [since],
        )
        found["reach"] = percentile([float(seconds) for (seconds,) in cursor.fetchall()], 0.99) * 1000


def _waiting(cursor: Any, lane: str) -> int:
    cursor.execute("SELECT count(*) FROM notify_delivery WHERE lane = %s AND status <> 'sent'", [lane])
    return int(cursor.fetchone()[0])


class _Course:
    """As it is otherwise, the spike, and the backlog's way out."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.providers(_PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        with bench.rig.database() as cursor:
            populate.empty(cursor)
        self.soft, self.hard = bench.size(_SOFT, least=150), bench.size(_HARD, least=450)
        for name in ("web", "sms", "lifeboat"):
            bench.rig.run_process(name, LANE_LIMITS=f"{_LANE}={self.soft}:{self.hard}")
        self._application = _Application(bench, "spike")
        self.spike = Spike(self._application, batch=_BATCH, threads=_THREADS, every_s=_EVERY_S)
        self.watch = _Watch(bench)
        self.critical: dict[str, dict[str, float]] = {}
        self.accepted_before, self.sent = 0, 0
        self.began = self.ended = self.drained = 0.0
        self.books: dict[str, Any] = {}

    def run(self) -> None:
        """All of it, one after the other."""
        bench, headers = self._bench, self._application.headers
        besides_s, spike_s = bench.seconds(_BESIDES_S, least=2.0), bench.seconds(_SPIKE_S, least=4.0)
        with _critical(bench, headers, 1.0):
            pass  # a process's first messages open its connections and threads
        since = datetime.now(UTC)
        with self.watch:
            bench.step("before", 0, 3)
            with _critical(bench, headers, besides_s) as self.critical["before"]:
                self.spike.run(seconds=besides_s, share=_USUAL)
            self.accepted_before = self.spike.accepted
            bench.step("the spike", 1, 3)
            self.began = time.monotonic()
            with _critical(bench, headers, spike_s) as self.critical["during"]:
                self.spike.run(seconds=spike_s)
                self.ended = time.monotonic()
            bench.step("the backlog", 2, 3)
            with _critical(bench, headers, besides_s) as self.critical["after"]:
                pass
            self._wait_until_drained()
        self.books = json.loads(bench.rig.manage("reconcile", "--since", since.isoformat()))

    def _wait_until_drained(self) -> None:
        rig = self._bench.rig
        with rig.database() as cursor:
            rig.wait_for(lambda: not _waiting(cursor, _LANE), process="sms", timeout=_DRAINED_S)
            cursor.execute("SELECT count(*) FROM notify_delivery WHERE lane = %s AND status = 'sent'", [_LANE])
            (self.sent,) = cursor.fetchone()
        self.drained = self.watch.back_at(0, since=self.ended)

    @property
    def found(self) -> dict[str, float]:
        """What the figures are made of."""
        statuses, watch = self.spike.statuses, self.watch
        return {
            "refused": statuses[429] / sum(statuses.values()),
            "lost": float(self.books["unaccounted"] + self.spike.accepted - self.sent),
            "during": watch.per_second(self.began, self.ended, deeper_than=self.soft // 2),
            "draining": watch.per_second(self.ended, self.drained, deeper_than=self.soft // 10),
            "told": _told(self.spike, self.ended),
            "back": watch.back_at(self.soft, since=self.ended) - self.ended,
        }

    @property
    def details(self) -> dict[str, Any]:
        """What else is worth keeping."""
        return {
            "offered_per_second": self.spike.per_second,
            "limits": [self.soft, self.hard],
            "statuses": {str(status): count for status, count in self.spike.statuses.items()},
            "accepted": self.spike.accepted,
            "accepted_before": self.accepted_before,
            "drained_s": self.drained - self.ended,
            "critical_ms": self.critical,
            "reconcile": self.books,
            "depth_at_s": {f"{one.at - self.began:.0f}": one.depth for one in self.watch.looks[::4]},
        }


def run(bench: Bench) -> Outcome:
    """The spike's course. Once: it is a minute long."""
    course = _Course(bench)
    course.run()
    found, critical = course.found, course.critical
    return Outcome(
        figures=(*_shaving_figures(found), *_critical_figures(critical)),
        details=course.details,
    )


def _told(spike: Spike, ended: float) -> float:
    """What ``Retry-After`` said in the spike's last seconds, in the middle; 0: nobody was refused then."""
    told = [float(one.retry_after) for one in spike.refusals if one.at > ended - 5]
    return percentile(told, 0.5) if told else 0.0


def _shaving_figures(found: Mapping[str, float]) -> Iterator[Figure]:
    yield Figure(
        measure="spike",
        label="a spike of bulk, 10 × for a minute: accepted and lost",
        ours=_one("lost", "", found["lost"]),
        target=Target(most=0),
    )
    yield Figure(
        measure="spike",
        label="batches refused in it (429)",
        ours=_one("refused", "%", found["refused"] * 100),
    )
    yield Figure(
        measure="spike",
        label="the backlog drains, against the lane's rate during the spike",
        ours=_one("draining", "/s", found["draining"]),
        baseline=_one("during", "/s", found["during"]),
        target=Target(least=0.9),
    )
    yield Figure(
        measure="spike",
        label="Retry-After at the end of the spike, against the time until the lane was open again",
        ours=_one("told", "s", found["told"]),
        baseline=_one("open again", "s", found["back"]),
        note="told with up to half as much again by chance",
    )


def _critical_figures(critical: Mapping[str, Mapping[str, float]]) -> Iterator[Figure]:
    for key, label in (("requests", "its request"), ("reach", "acceptance to provider's call")):
        for when in ("during", "after"):
            yield Figure(
                measure="spike",
                label=f"critical messages {when} the spike, {label}, p99, against before",
                ours=_one(when, "ms", critical[when][key]),
                baseline=_one("before", "ms", critical["before"][key]),
            )
    yield Figure(
        measure="spike",
        label="critical messages during the spike, acceptance to provider's call, p99",
        ours=_one("p99", "ms", critical["during"]["reach"]),
        target=Target(most=500),
    )


def _one(name: str, unit: str, value: float) -> Series:
    return Series(name=name, unit=unit, values=(value,))
