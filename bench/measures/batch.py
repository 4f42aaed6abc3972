"""How many recipients a second are accepted in batches, and what that costs the web processes in memory."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import psutil
import psycopg2
import urllib3

from bench import populate
from bench.baselines.raw_copy import RawCopy
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.measures.accept import TEMPLATE

_HEAD: Final[dict[str, Any]] = {"channels": ["sms"], "template": "code", "locale": "en", "priority": "bulk"}
_JSON: Final = 10_000
_NDJSON: Final = 100_000
_MB: Final = 2**20


def _recipient(number: int) -> dict[str, Any]:
    return {"to": {"phone": f"+86138{number:08d}"}, "params": {"code": f"{number:06d}"}}


class _Batch:
    """Two bodies, made once, and the rows that they leave."""

    def __init__(self, bench: Bench) -> None:
        self._rig = bench.rig
        bench.configure({"templates": [TEMPLATE]})
        bench.application("batch", rate_limit="900000/s", daily_quota=1_000_000_000)
        self._headers = {"Authorization": f"Bearer {bench.api_key('batch')}"}
        small, large = bench.size(_JSON, least=100), bench.size(_NDJSON, least=100)
        self.bodies = {
            "json": (json.dumps({**_HEAD, "recipients": [_recipient(n) for n in range(small)]}).encode(), small),
            "ndjson": (
                "\n".join([json.dumps(_HEAD), *(json.dumps(_recipient(n)) for n in range(large))]).encode(),
                large,
            ),
        }
        self._types = {"json": "application/json", "ndjson": "application/x-ndjson"}
        self._copies: dict[str, RawCopy] = {}
        self._idle = 0.0

    def ours(self, kind: str) -> dict[str, float]:
        """Recipients a second of one batch, and by how much a web process grew at most."""
        body, count = self.bodies[kind]
        with self._rig.database() as cursor:
            populate.empty(cursor)
            cursor.execute("CHECKPOINT")
        idle = _largest(self._rig.family("web"))
        with _peak(self._rig.family("web")) as peak:
            began = time.perf_counter()
            answer = self._post(body, self._types[kind])
            took = time.perf_counter() - began
        assert answer.status == 202, answer.data
        assert answer.json()["accepted"] == count
        if kind not in self._copies:
            with self._rig.database() as cursor:
                self._copies[kind] = RawCopy(cursor)
        return {"rate": count / took, "growth": (peak[0] - min(idle, self._idle or idle)) / _MB}

    def warm_up(self) -> None:
        """A web process that has not yet served a request is smaller than an idle one."""
        head = json.dumps({**_HEAD, "recipients": [_recipient(1)]}).encode()
        for _ in range(20):
            assert self._post(head, "application/json").status == 202
        self._idle = _largest(self._rig.family("web"))

    def copy(self, kind: str) -> dict[str, float]:
        """(d)"""
        with self._rig.database() as cursor:
            populate.empty(cursor)
            cursor.execute("CHECKPOINT")
        with contextlib.closing(psycopg2.connect(self._rig.database_url)) as connection:
            return {"rate": self._copies[kind].write(connection)}

    def _post(self, body: bytes, content_type: str) -> urllib3.BaseHTTPResponse:
        url = f"http://127.0.0.1:{self._rig.port}/api/v1/notifications/batch"
        headers = {**self._headers, "Content-Type": content_type}
        return urllib3.request("POST", url, body=body, headers=headers, timeout=120, retries=False)


def _largest(family: list[psutil.Process]) -> float:
    return max(process.memory_info().rss for process in family)


@contextlib.contextmanager
def _peak(family: list[psutil.Process]) -> Iterator[list[float]]:
    """The most that one process of ``family`` held meanwhile, looked at a hundred times a second."""
    peak = [_largest(family)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            peak[0] = max(peak[0], _largest(family))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def run(bench: Bench) -> Outcome:
    """Each kind of batch and (d), in turn."""
    batch = _Batch(bench)
    bench.rig.run_process("web")
    batch.warm_up()
    found = bench.alternate_all(
        {
            "json": lambda: batch.ours("json"),
            "copy of json": lambda: batch.copy("json"),
            "ndjson": lambda: batch.ours("ndjson"),
            "copy of ndjson": lambda: batch.copy("ndjson"),
        }
    )
    figures = []
    for kind in ("json", "ndjson"):
        count = batch.bodies[kind][1]
        figures.append(
            Figure(
                measure="batch",
                label=f"recipients of a batch of {count:,} ({kind}), against raw COPY",
                ours=Series(name=kind, unit="/s", values=found[kind]["rate"]),
                baseline=Series(name="copy", unit="/s", values=found[f"copy of {kind}"]["rate"]),
                target=Target(least=0.3),
            )
        )
    growth = found["json"]["growth"] + found["ndjson"]["growth"]
    figures.append(
        Figure(
            measure="batch",
            label="growth of a web process meanwhile",
            ours=Series(name="growth", unit="MB", values=growth),
            target=Target(most=100),
        )
    )
    return Outcome(figures=tuple(figures))
