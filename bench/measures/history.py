"""What ten million finished rows cost those that come after them."""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import connection

from bench import finished, populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.load.http import UNIQUE, Plan
from bench.load.run import ask
from bench.measures.accept import BODY
from bench.measures.delivery import PROVIDER, TEMPLATE, wait_until_sent
from bench.rig import Rig, RigError
from config import embedded, ports
from notify import lanes

#: A delivery with its notification, on disk with its indexes.
_BYTES_A_ROW: Final = 900
#: How many of the rows lie in each day's partition. Claims look at today's and yesterday's.
_SHARES: Final = {0: 0.1, 1: 0.3, 2: 0.2, 3: 0.2, 4: 0.2}
_QUEUES: Final = "sms.critical,sms.normal,sms.bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Database:
    """One of the two, with the processes that work on it: each has a lane of its own, so that one bell rings for one
    of them."""

    name: str
    url: str
    port: int
    priority: str
    finished: int

    @property
    def lane(self) -> str:
        """Where its worker looks."""
        return f"sms.{self.priority}"


class _History:
    """The same two loads on a young database and on an old one, which differ in what was finished before."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        few, many = bench.size(100_000, least=1000), bench.size(10_000_000, least=20_000)
        self._backlog = bench.size(20_000, least=500)
        _check_disk(self._rig, many * _BYTES_A_ROW)
        bench.providers(PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        self._application = bench.application("history").pk
        self._key = bench.api_key("history")
        url = self._rig.database_url
        self.old = _Database(name="old", url=url, port=self._rig.port, priority="bulk", finished=many)
        self.young = _Database(
            name="young", url=_named(url, "young"), port=ports.choose(), priority="normal", finished=few
        )

    def fill(self) -> float:
        """Makes the young one, as the old one is now, and fills both. Returns the seconds it took."""
        connection.close()  # a database that somebody uses can't be copied
        with self._rig.database(_named(self._rig.database_url, "postgres")) as cursor:
            cursor.execute(f"CREATE DATABASE young TEMPLATE {embedded.DATABASE}")
        began = time.monotonic()
        for database in (self.young, self.old):
            self._bench.step(f"making {database.finished:,} rows", 0, 1)
            self._fill(database)
        os.sync()  # the kernel has gigabytes to write, and every commit would wait behind them
        return time.monotonic() - began

    def _fill(self, database: _Database) -> None:
        """Over several days; two days at a time, a processor each."""
        today: date = datetime.now(UTC).date()

        def fill_day(back: int, share: float) -> None:
            with self._rig.database(database.url) as cursor:
                day, count = today - timedelta(days=back), int(database.finished * share)
                finished.fill(cursor, day=day, application_id=self._application, count=count)

        with ThreadPoolExecutor(2) as pool:
            days = [pool.submit(partial(fill_day, back, share)) for back, share in _SHARES.items()]
            try:
                for done in days:
                    done.result()
            except BaseException:  # somebody has had enough: not only of waiting
                pool.shutdown(wait=False, cancel_futures=True)
                self._cancel()
                raise
        with self._rig.database(database.url) as cursor:
            populate.settle(cursor)

    def _cancel(self) -> None:
        with self._rig.database() as cursor:
            cursor.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'bench' AND pid <> pg_backend_pid()"
            )

    def start(self, database: _Database) -> None:
        """The processes of one of them."""
        variables = {
            "DATABASE_URL": database.url,
            # Who is given a database is in production, and has to say all of this.
            "REDIS_URL": settings.REDIS_URL,
            "SECRET_KEY": settings.SECRET_KEY,
            "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
            "ALLOWED_HOSTS": "127.0.0.1",
        }
        name, port = database.name, str(database.port)
        self._rig.run_instead(
            f"web-{name}", of="web", replaced={str(self._rig.port): port}, port=database.port, variables=variables
        )
        replaced = {"sms@%h": f"sms-{name}@%h", _QUEUES: database.lane}
        self._rig.run_instead(f"sms-{name}", of="sms", replaced=replaced, variables=variables)

    def measure(self, database: _Database) -> dict[str, float]:
        """Deliveries a second, and notifications accepted a second; neither leaves anything behind."""
        with self._rig.database(database.url) as cursor:
            cursor.execute("SELECT uuidv7()")
            (began_at,) = cursor.fetchone()
            delivered = self._deliver(cursor, database, since=began_at)
            accepted = self._accept(database)
            for table in ("notify_delivery", "notify_notification", "notify_attempt"):
                cursor.execute(f"DELETE FROM {table} WHERE id >= %s", [began_at])
            cursor.execute("TRUNCATE notify_idempotencyrecord")
            populate.settle(cursor, since=datetime.now(UTC).date())
        return {"deliver": delivered, "accept": accepted}

    def _deliver(self, cursor: Any, database: _Database, *, since: str) -> float:
        populate.queue(
            cursor,
            application_id=self._application,
            channel="sms",
            priority=database.priority,
            count=self._backlog,
        )
        cursor.execute("CHECKPOINT")
        began = time.monotonic()
        lanes.ring([database.lane])
        return self._backlog / (wait_until_sent(cursor, since=since) - began)

    def _accept(self, database: _Database) -> float:
        """Into a lane that no worker looks at: accepting alone is measured."""
        plan = Plan(
            port=database.port,
            path="/api/v1/notifications",
            body=json.dumps(BODY),
            headers={"Authorization": f"Bearer {self._key}", "Idempotency-Key": UNIQUE},
            connections=32,
            warm_up_s=self._bench.seconds(0.5),
            seconds=self._bench.seconds(2.5, least=1.0),
        )
        return ask(plan).per_second(202)


def _named(url: str, name: str) -> str:
    """The same server's database ``name``."""
    return url.replace(f"/{embedded.DATABASE}?", f"/{name}?")


def _check_disk(rig: Rig, needed: int) -> None:
    free = shutil.disk_usage(rig.data_dir).free
    if free < needed * 1.3:
        raise RigError(f"this measure needs {needed * 1.3 / 2**30:.0f} GB of disk, and there are {free / 2**30:.0f}")


def run(bench: Bench) -> Outcome:
    """A hundred thousand finished rows in one database and ten million in another, on the same server, in turn."""
    history = _History(bench)
    took = history.fill()
    both = (history.old, history.young)
    for database in both:
        history.start(database)
        history.measure(database)  # the first claims of a process look for the oldest live day, and plan
    found = bench.alternate_all({one.name: partial(history.measure, one) for one in both})
    with bench.rig.database() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    return Outcome(
        figures=tuple(
            Figure(
                measure="history",
                label=f"{what} with {history.old.finished:,} finished rows, against {history.young.finished:,}",
                ours=Series(name="many", unit="/s", values=found["old"][key]),
                baseline=Series(name="few", unit="/s", values=found["young"][key]),
                target=Target(least=0.9),
            )
            for key, what in (("deliver", "deliveries"), ("accept", "POST notifications"))
        ),
        details={"fill_s": round(took, 1), "database_gb": round(size / 2**30, 2)},
    )
