"""What ten million finished rows cost those that come after them."""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from bench import finished, populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.load.http import UNIQUE, Plan
from bench.load.run import ask
from bench.measures.accept import BODY
from bench.measures.delivery import PROVIDER, TEMPLATE, wait_until_sent
from bench.rig import Rig, RigError
from notify import lanes

#: A delivery with its notification, on disk with its indexes.
_BYTES_A_ROW: Final = 900
#: How many of the rows lie in each day's partition. Claims look at today's and yesterday's.
_SHARES: Final = {0: 0.1, 1: 0.3, 2: 0.2, 3: 0.2, 4: 0.2}


class _History:
    """The same two loads on a young database and on an old one."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        self.few = bench.size(100_000, least=1000)
        self.many = bench.size(10_000_000, least=20_000)
        self._backlog = bench.size(20_000, least=500)
        _check_disk(self._rig, self.many * _BYTES_A_ROW)
        bench.providers(PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        self.application = bench.application("history")
        self._key = bench.api_key("history")

    def measure(self) -> dict[str, float]:
        """Deliveries a second, and notifications accepted a second; neither leaves anything behind."""
        with self._rig.database() as cursor:
            cursor.execute("SELECT uuidv7()")
            (began_at,) = cursor.fetchone()
            delivered = self._deliver(cursor)
            accepted = self._accept()
            # What was accepted is not sent: cancelled first, or the worker would find it in the next run.
            for table in ("notify_delivery", "notify_notification", "notify_attempt"):
                cursor.execute(f"DELETE FROM {table} WHERE id >= %s", [began_at])
            cursor.execute("TRUNCATE notify_idempotencyrecord")
            populate.settle(cursor)
        return {"deliver": delivered, "accept": accepted}

    def _deliver(self, cursor: Any) -> float:
        populate.queue(cursor, application_id=self.application.pk, channel="sms", priority="bulk", count=self._backlog)
        cursor.execute("CHECKPOINT")
        began = time.monotonic()
        lanes.ring(["sms.bulk"])
        return self._backlog / (wait_until_sent(cursor) - began)

    def _accept(self) -> float:
        plan = Plan(
            port=self._rig.port,
            path="/api/v1/notifications",
            body=json.dumps(BODY),
            headers={"Authorization": f"Bearer {self._key}", "Idempotency-Key": UNIQUE},
            connections=32,
            warm_up_s=self._bench.seconds(0.5),
            seconds=self._bench.seconds(3.0, least=1.0),
        )
        worker = self._rig.process("sms")
        worker.suspend()  # accepting alone is measured
        try:
            return ask(plan).per_second(202)
        finally:
            worker.resume()


def _check_disk(rig: Rig, needed: int) -> None:
    free = shutil.disk_usage(rig.data_dir).free
    if free < needed * 1.3:
        raise RigError(f"this measure needs {needed * 1.3 / 2**30:.0f} GB of disk, and there are {free / 2**30:.0f}")


def _fill(bench: Bench, application_id: int, count: int) -> float:
    """Finished rows, over several days; two days at a time, a processor each. Returns the seconds it took."""
    today: date = datetime.now(UTC).date()
    began = time.monotonic()

    def fill_day(back: int, share: float) -> None:
        with bench.rig.database() as cursor:
            finished.fill(
                cursor, day=today - timedelta(days=back), application_id=application_id, count=int(count * share)
            )

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(partial(fill_day, back, share)) for back, share in _SHARES.items()]:
            done.result()
    with bench.rig.database() as cursor:
        populate.settle(cursor)
    os.sync()  # the kernel has gigabytes to write, and every commit would wait behind them
    return time.monotonic() - began


def run(bench: Bench) -> Outcome:
    """As often as there are runs with 100,000 finished rows, then as often with ten million: what is filled can't be
    emptied in turn."""
    history = _History(bench)
    bench.rig.run_process("web")
    bench.rig.run_process("sms")
    _fill(bench, history.application.pk, history.few)
    before = bench.alternate_all({f"{history.few:,} rows": history.measure})[f"{history.few:,} rows"]
    bench.step(f"making {history.many:,} rows", 0, 1)
    took = _fill(bench, history.application.pk, history.many)
    after = bench.alternate_all({f"{history.many:,} rows": history.measure})[f"{history.many:,} rows"]
    with bench.rig.database() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    return Outcome(
        figures=tuple(
            Figure(
                measure="history",
                label=f"{what} with {history.many:,} finished rows, against {history.few:,}",
                ours=Series(name="many", unit="/s", values=after[key]),
                baseline=Series(name="few", unit="/s", values=before[key]),
                target=Target(least=0.9),
            )
            for key, what in (("deliver", "deliveries"), ("accept", "POST notifications"))
        ),
        details={"fill_s": round(took, 1), "database_gb": round(size / 2**30, 2)},
    )
