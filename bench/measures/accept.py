"""How many notifications a second are accepted one by one, with all that accepting takes."""

from __future__ import annotations

import json
from typing import Any, Final

from bench import populate
from bench.baselines.bare.models import TABLE
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target, percentile
from bench.load.http import UNIQUE, Plan
from bench.load.run import ask
from config import ports

TEMPLATE: Final[dict[str, Any]] = {
    "key": "code",
    "contents": {"sms": {"en": {"text": "Your code is {{ code }}. It is valid for five minutes."}}},
}
BODY: Final = {
    "to": {"phone": "+8613800001234"},
    "channels": ["sms"],
    "template": "code",
    "locale": "en",
    "params": {"code": "123456"},
    "priority": "critical",
    "ttl_s": 300,
}
#: One for each thread of the web processes, and as many that wait for one.
_CONNECTIONS: Final = 32


class _Accept:
    """The same body to two servers, one after the other; the other one has nothing to do meanwhile."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        bench.configure({"templates": [TEMPLATE]})
        # Limits that are counted and never reached.
        bench.application("accept", rate_limit="900000/s", daily_quota=1_000_000_000)
        self._key = bench.api_key("accept")
        self._bare_port = ports.choose()
        with self._rig.database() as cursor:
            cursor.execute(TABLE)

    def start(self) -> None:
        """Starts both."""
        self._rig.run_process("web")
        replaced = {
            "config.wsgi:application": "bench.baselines.bare_wsgi:application",
            str(self._rig.port): str(self._bare_port),
        }
        self._rig.run_instead("bare", of="web", replaced=replaced, port=self._bare_port)

    def _plan(self, port: int, path: str, **headers: str) -> Plan:
        return Plan(
            port=port,
            path=path,
            body=json.dumps(BODY),
            headers=headers,
            connections=_CONNECTIONS,
            warm_up_s=self._bench.seconds(0.7),
            seconds=self._bench.seconds(3.5, least=1.0),
        )

    def ours(self) -> dict[str, float]:
        """The product: key, quota, idempotency, template, doorbell."""
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": UNIQUE}
        answers = ask(self._plan(self._rig.port, "/api/v1/notifications", **headers))
        self._empty()
        return _read(answers.per_second(202), answers.latencies_s)

    def bare(self) -> dict[str, float]:
        """(c)"""
        answers = ask(self._plan(self._bare_port, "/messages"))
        self._empty()
        return _read(answers.per_second(202), answers.latencies_s)

    def _empty(self) -> None:
        with self._rig.database() as cursor:
            populate.empty(cursor)
            cursor.execute("TRUNCATE bench_message, notify_idempotencyrecord")
            cursor.execute("CHECKPOINT")


def _read(per_second: float, latencies_s: list[float]) -> dict[str, float]:
    return {"rate": per_second, "p50": percentile(latencies_s, 0.5) * 1000, "p99": percentile(latencies_s, 0.99) * 1000}


def run(bench: Bench) -> Outcome:
    """Ours and (c), in turn."""
    accept = _Accept(bench)
    accept.start()
    found = bench.alternate_all({"ours": accept.ours, "bare": accept.bare})
    series = {
        side: {key: Series(name=side, unit="/s" if key == "rate" else "ms", values=values[key]) for key in values}
        for side, values in found.items()
    }
    return Outcome(
        figures=(
            Figure(
                measure="accept",
                label="single POST notifications, against a bare view",
                ours=series["ours"]["rate"],
                baseline=series["bare"]["rate"],
                target=Target(least=0.5),
                note=f"{_CONNECTIONS} connections, workers of the lane stopped",
            ),
            Figure(
                measure="accept",
                label=f"p99 of it, at {_CONNECTIONS} at once",
                ours=series["ours"]["p99"],
                baseline=series["bare"]["p99"],
            ),
        )
    )
