"""Where a fault plays: a running stack, an application on it, and the one provider of its sms channel."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import redis
import urllib3

from config import ports
from config.embedded import tethered
from notify.ids import floor_id
from tests.chaos.load import Order
from tests.journeys.client import Company
from tests.journeys.database import run_inside
from tests.stack.live import REPOSITORY, LiveStack

PROVIDER = "chaos-gateway"
#: What runs in a stack for chaos, besides the servers: the channel under fire and whatever looks after it.
PROCESSES = "web,lifeboat,sms,control,beat"
CONCURRENCY = 16
SECRET = "what the gateway signs its reports with"
_REPORTS = {
    "receipts": True,
    "callback_secret": SECRET,
    "callback": {
        "signature": {"header": "X-Signature"},
        "message_id": "sid",
        "status": "stat",
        "delivered": ["DELIVRD"],
        "pending": ["ENROUTE"],
    },
}


class Stuck(Exception):
    """Something did not come about within its limit."""


def wait_until(condition: Callable[[], object], *, limit_s: float, what: str) -> float:
    """Waits for ``condition``; returns how many seconds it took. Raises Stuck."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            raise Stuck(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began


class Child:
    """A process of ours that ends with us, however we end."""

    def __init__(self, *arguments: str, folder: Path, environment: dict[str, str] | None = None) -> None:
        command = (sys.executable, "-m", *arguments)
        with (folder / f"{arguments[0]}.log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered(command, record=folder / f"{arguments[0]}.pid"),
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, *, limit_s: float = 15.0) -> None:
        """Asks it to end, and sees to it."""
        self._process.terminate()
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Provider:
    """The gateway's process, and its desk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = ports.choose()
        self.journal = folder / "gateway.jsonl"
        self._http = urllib3.PoolManager(retries=False, timeout=5)
        self._child = Child(
            "tests.chaos.provider", "--port", str(self.port), "--journal", str(self.journal), folder=folder
        )
        wait_until(self._answers, limit_s=20, what="the gateway answers")

    def behave(self, **manners: Any) -> None:
        """From now on it has these manners; without any, the best."""
        self._put("manners", manners)

    def begin_journal(self, name: str) -> None:
        """Writes a new journal from here on."""
        self.journal = self.folder / f"gateway-{name}.jsonl"
        self._put("journal", {"path": str(self.journal)})

    def entries(self) -> list[dict[str, Any]]:
        """Everything that was asked of it, in order."""
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def receipts(self) -> dict[str, list[str]]:
        """What it reports of each message, by our ids, in the order in which it happened."""
        journal = self.journal.with_suffix(".receipts")
        lines = journal.read_text().splitlines() if journal.exists() else []
        return {entry["id"]: entry["said"] for entry in map(json.loads, lines)}

    def answered(self) -> int:
        """How many messages it took and said yes to."""
        return sum(entry["kind"] == "answer" for entry in self.entries())

    def end(self) -> None:
        """Ends the process."""
        self._child.end()
        self._http.clear()

    def _answers(self) -> bool:
        try:
            self.behave()
        except urllib3.exceptions.HTTPError:
            return False
        return True

    def _put(self, path: str, content: dict[str, Any]) -> None:
        answer = self._http.request("PUT", f"http://127.0.0.1:{self.port}/{path}", body=json.dumps(content))
        assert answer.status == 200, answer.data


def clock_file(live: LiveStack) -> Path:
    """Where a stack with clocks that can be put wrong looks for how wrong they are."""
    return live.data_dir / "clock.json"


def with_clock(live: LiveStack) -> LiveStack:
    """``live``, which has not started yet, with clocks that can be put wrong."""
    live.env |= {"PYTHONPATH": str(Path(__file__).with_name("clock")), "CHAOS_CLOCK": str(clock_file(live))}
    return live


@dataclass(kw_only=True)
class Scene:
    """One stack with what chaos needs on it. ``notes`` is where faults leave what the report should say of them."""

    live: LiveStack
    company: Company
    provider: Provider
    folder: Path
    key: str
    #: What the stack was configured with.
    configured: tuple[object, ...] = ()
    #: How the engine judges the channel, where not by its defaults.
    rules: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def on(cls, live: LiveStack, **rules: Any) -> Scene:
        """Sets the scene on a stack that runs; ``rules`` of the engine for the channel, where not the default ones."""
        folder = live.data_dir / f"chaos-{time.monotonic_ns()}"
        folder.mkdir()
        provider = Provider(folder)
        company = Company(live, f"chaos-{provider.port}", configuration={})
        return cls(live=live, company=company, provider=provider, folder=folder, key=company.key, rules=rules)

    def clear(self) -> None:
        """Ends our processes, and takes our provider out of the stack."""
        self.provider.end()
        run_inside(
            self.live,
            f"from channels.models import Policy, Provider; Provider.objects.filter(name='{PROVIDER}').delete();"
            "Policy.objects.filter(target='channel:sms').delete()",
        )

    def configure(self, *, policy: str, timeout_s: float, receipts: bool = False, report_within_s: float = 0.0) -> None:
        """Has the sms channel use our provider, and nothing else; with ``receipts``, one that reports."""
        wanted = (policy, timeout_s, receipts, report_within_s)
        if self.configured == wanted:
            return
        reports = {**_REPORTS, "report_within_s": report_within_s} if receipts else {}
        self.company.configure(
            {
                "channels": [{"name": "sms", "outcome_unknown": policy}],
                "policies": [{"target": "channel:sms", **self.rules}] if self.rules else [],
                "providers": [
                    {
                        "name": PROVIDER,
                        "channel": "sms",
                        "adapter": "http_sms",
                        "max_concurrency": CONCURRENCY,
                        "timeout_s": timeout_s,
                        "config": {
                            "url": f"http://127.0.0.1:{self.provider.port}/send",
                            "body": '{"id": {{ id | json }}, "to": {{ to | json }}, "text": {{ text | json }}}',
                            "success": {"path": "code", "equals": 0},
                            "message_id": "data.id",
                            **reports,
                        },
                    }
                ],
            }
        )
        self.configured = wanted

    def start_load(self, *, name: str, rate: float) -> tuple[Child, Path]:
        """Starts the load's process; returns it and where its record is."""
        record = self.folder / f"load-{name}.jsonl"
        order = self.folder / f"load-{name}.order"
        Order(port=self.live.port, key=self.key, prefix=name, rate=rate, record=str(record)).write(order)
        return Child("tests.chaos.load", str(order), folder=self.folder), record

    @property
    def clock(self) -> Path:
        """The file that says how wrong which clocks are, on a stack that can be told."""
        return clock_file(self.live)

    # --- what faults do to it ----------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The process called ``name`` in the Procfile."""
        return self.live.state(name).pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to the process called ``name`` itself, past its supervisor."""
        os.kill(self.pid(name), number)

    def start(self, *names: str) -> None:
        """Has the supervisor start what it was told to stop."""
        self.live.ctl("start", *names)

    def stop(self, *names: str) -> None:
        """Has the supervisor stop something and leave it so."""
        self.live.ctl("stop", *names)

    def runs(self, name: str) -> bool:
        """Whether the supervisor calls it running."""
        return self.live.state(name).state == "RUNNING"

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg2.extensions.cursor]:
        """A connection of our own to the stack's database, past everything of the product; commits by itself."""
        connection = psycopg2.connect(
            self.live.addresses()["database_url"], application_name="chaos", connect_timeout=5
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = off; SET statement_timeout = '20s'")
                yield cursor
        finally:
            connection.close()

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.database() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def execute(self, *statements: str) -> None:
        """Carries out statements, each by itself."""
        with self.database() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextlib.contextmanager
    def valkey(self) -> Iterator[redis.Redis]:
        """A connection of our own to the stack's Valkey."""
        client = redis.Redis.from_url(self.live.addresses()["redis_url"], socket_timeout=5, socket_connect_timeout=5)
        try:
            yield client
        finally:
            client.close()

    # --- what became of it -------------------------------------------------------------------------------------------

    @property
    def floor(self) -> UUID:
        """Ids from here on belong to the current experiment (they carry the real time, whatever a clock says)."""
        return floor_id(self.company.began_at)

    def states(self) -> Counter[str]:
        """How many deliveries of this application's current experiment are in which state."""
        found = self.rows(
            "SELECT d.status, count(*) FROM notify_delivery d JOIN notify_application a ON a.id = d.application_id"
            " WHERE a.name = %s AND d.id >= %s::uuid GROUP BY d.status",
            self.company.name,
            str(self.floor),
        )
        return Counter(dict(found))

    def workers_since(self, moment: float) -> Counter[str]:
        """Which processes handed messages over since ``moment`` (seconds of the epoch), and how many."""
        found = self.rows(
            "SELECT split_part(worker, '@', 1), count(*) FROM notify_attempt"
            " WHERE started_at >= to_timestamp(%s) AND provider = %s GROUP BY 1",
            moment,
            PROVIDER,
        )
        return Counter(dict(found))

    def lifeboat_is_on_watch(self) -> bool:
        """Whether the lifeboat looked out within the last seconds."""
        try:
            found = self.rows("SELECT seen_at > now() - interval '3 s' FROM notify_lanepulse WHERE lane = 'lifeboat'")
        except psycopg2.Error:
            return False
        return bool(found and found[0][0])
