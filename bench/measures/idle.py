"""A whole system with nothing to do: how soon one message is at its provider, and what doing nothing costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from statistics import median
from typing import Any, Final

import psutil
import redis

from bench.baselines import empty_task
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target, percentile
from bench.load.http import Plan
from bench.load.run import Answers, ask
from bench.measures.accept import BODY, TEMPLATE
from bench.rig import BASE_DIR, Rig

_PROVIDER: Final[dict[str, Any]] = {
    "name": "idle",
    "channel": "sms",
    "adapter": "sandbox",
    "config": {"journal": True},
}
#: Far enough apart that each finds the system at rest.
_EVERY_S: Final = 0.06
_NOT_PROCESSES: Final = ("sandbox", "traffic")
_LOGGED: Final = re.compile(r"^\S+ \S+ \S+ \[\d+\] (\S*) LOG:  (?:statement|execute [^:]*): (\w+)", re.MULTILINE)
_TRANSACTION_WORDS: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})


class _Idle:
    """Everything of the Procfile, and one application that now and then sends something."""

    def __init__(self, bench: Bench) -> None:
        self._rig = bench.rig
        self._count = bench.size(80, least=20)
        bench.providers(_PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        bench.application("idle", rate_limit="1000/s", daily_quota=1_000_000)
        self._key = bench.api_key("idle")

    def reach(self) -> dict[str, float]:
        """Milliseconds from the beginning of a POST to the provider's call."""
        journal = self._rig.data_dir / "sandbox" / "idle.jsonl"
        journal.unlink(missing_ok=True)
        answers = ask(self._plan())
        assert set(answers.statuses) == {202}, answers.statuses
        deliveries = [json.loads(body)["deliveries"][0]["id"] for body in answers.bodies]
        self._rig.wait_for(
            lambda: journal.exists() and journal.read_text().count("\n") >= len(deliveries), process="sms"
        )
        self._rig.wait_for(lambda: self._recorded(deliveries) == len(deliveries), process="sms")
        taken_at = {
            line["id"]: datetime.fromisoformat(line["at"]).timestamp()
            for line in map(json.loads, journal.read_text().splitlines())
        }
        begun_at = dict(zip(deliveries, answers.begun_at, strict=True))
        took = [taken_at[one] - began for one, began in begun_at.items()]
        return {**_milliseconds(took), **_answered(answers), **self._stages(begun_at, taken_at)}

    def _recorded(self, deliveries: list[str]) -> int:
        with self._rig.database() as cursor:
            cursor.execute("SELECT count(*) FROM notify_attempt WHERE delivery_id = ANY (%s::uuid[])", [deliveries])
            return int(cursor.fetchone()[0])

    def _stages(self, begun_at: dict[str, float], taken_at: dict[str, float]) -> dict[str, float]:
        """Medians of the parts of the way, as the worker wrote them down: until it began to claim, from there until the
        provider's thread had the message, and until the provider took it."""
        with self._rig.database() as cursor:
            cursor.execute(
                "SELECT delivery_id::text, extract(epoch FROM claimed_at), extract(epoch FROM started_at)"
                " FROM notify_attempt WHERE delivery_id = ANY (%s::uuid[])",
                [list(begun_at)],
            )
            rows = [(one, float(claimed), float(started)) for one, claimed, started in cursor.fetchall()]
        parts = {
            "to_claim": [claimed - begun_at[one] for one, claimed, _started in rows],
            "to_provider": [started - claimed for _one, claimed, started in rows],
            "taken": [taken_at[one] - started for one, _claimed, started in rows],
        }
        return {name: percentile(part, 0.5) * 1000 for name, part in parts.items()}

    def _plan(self) -> Plan:
        return Plan(
            port=self._rig.port,
            path="/api/v1/notifications",
            body=json.dumps(BODY),
            headers={"Authorization": f"Bearer {self._key}"},
            connections=1,
            warm_up_s=_EVERY_S * 5,
            requests=self._count,
            every_s=_EVERY_S,
            keep_bodies=True,
        )

    def round_trip(self) -> dict[str, float]:
        """Milliseconds for an empty task and its result."""
        command = (sys.executable, "-m", "bench.load.round_trip", str(self._count), str(_EVERY_S))
        done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
        return _milliseconds(json.loads(done.stdout))


def _milliseconds(took_s: list[float]) -> dict[str, float]:
    return {"p50": percentile(took_s, 0.5) * 1000, "p99": percentile(took_s, 0.99) * 1000}


def _answered(answers: Answers) -> dict[str, float]:
    return {"answered": percentile(answers.latencies_s, 0.5) * 1000}


class _Cost:
    """What PostgreSQL and Valkey are asked, and what processes use, while nothing is to be done."""

    def __init__(self, rig: Rig, seconds: float) -> None:
        self._rig = rig
        self._seconds = seconds
        self.statements: Counter[str] = Counter()

    def __call__(self) -> dict[str, float]:
        log = self._rig.data_dir / "logs" / "postgres.log"
        from_byte = log.stat().st_size
        with redis.Redis.from_url(self._rig.redis_url) as client:
            commands = client.info("stats")["total_commands_processed"]
            used = self._used()
            time.sleep(self._seconds)
            used = self._used() - used
            commands = client.info("stats")["total_commands_processed"] - commands
        found = _LOGGED.findall(log.read_bytes()[from_byte:].decode(errors="replace"))
        asked = [name for name, word in found if name != "bench" and word.upper() not in _TRANSACTION_WORDS]
        self.statements.update(asked)
        return {
            "queries": len(asked) / self._seconds,
            "commands": commands / self._seconds,
            "processor": used / self._seconds * 100,
        }

    def _used(self) -> float:
        return sum(self._rig.processor_s(name) for name in self._rig.names)

    def memory(self) -> dict[str, float]:
        """Each process with its children, in MB: its own pages, and its part of what it shares."""
        return {name: round(_of_living(_memory, self._rig.family(name)) / 2**20, 1) for name in self._rig.names}


def _memory(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss)


def _of_living(reading: Callable[[psutil.Process], float], family: list[psutil.Process]) -> float:
    """The sum over ``family``: a connection of PostgreSQL may have ended since it was listed."""
    total = 0.0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            total += reading(process)
    return total


def _log_statements(rig: Rig, value: str) -> None:
    with rig.database() as cursor:
        cursor.execute(f"ALTER SYSTEM SET log_statement = '{value}'")
        cursor.execute("SELECT pg_reload_conf()")


def run(bench: Bench) -> Outcome:
    """The whole system: first nothing at all, then one message at a time, and an empty task, in turn."""
    idle = _Idle(bench)
    bench.rig.run_everything(but=_NOT_PROCESSES)
    time.sleep(bench.seconds(6.0))  # what they do once they have started
    cost = _Cost(bench.rig, bench.seconds(4.0, least=2.0))
    _log_statements(bench.rig, "all")
    spent = bench.alternate_all({"nothing": cost})["nothing"]
    _log_statements(bench.rig, "none")
    bench.rig.run_worker(
        "empty",
        app="bench.baselines.empty_task",
        queue=empty_task.QUEUE,
        options=(*empty_task.OPTIONS, *empty_task.WITHOUT),
    )
    reached = bench.alternate_all({"ours": idle.reach, "task": idle.round_trip})
    bench.rig.stop("empty")
    return Outcome(
        figures=(*_reach_figures(reached["ours"], reached["task"]), *_cost_figures(spent)),
        details={
            "memory_mb": cost.memory(),
            "queries_by_process": dict(cost.statements.most_common()),
            "stages_ms": {
                name: round(median(reached["ours"][name]), 2)
                for name in ("answered", "to_claim", "to_provider", "taken")
            },
        },
    )


def _reach_figures(ours: dict[str, tuple[float, ...]], task: dict[str, tuple[float, ...]]) -> tuple[Figure, ...]:
    def series(name: str, values: tuple[float, ...]) -> Series:
        return Series(name=name, unit="ms", values=values)

    round_trip = series("task", task["p50"])
    return (
        Figure(
            measure="idle",
            label="POST to provider's call, p50",
            ours=series("ours", ours["p50"]),
            target=Target(most=15),
        ),
        Figure(
            measure="idle",
            label="POST to provider's call, p99",
            ours=series("ours", ours["p99"]),
            target=Target(most=60),
        ),
        Figure(
            measure="idle",
            label="POST to provider's call, against an empty task's round trip (p50)",
            ours=series("ours", ours["p50"]),
            baseline=round_trip,
            target=Target(most=2),
        ),
        Figure(
            measure="idle",
            label="POST to its 202, p50",
            ours=series("ours", ours["answered"]),
        ),
    )


def _cost_figures(spent: dict[str, tuple[float, ...]]) -> tuple[Figure, ...]:
    units = {"queries": "/s", "commands": "/s", "processor": "%"}
    labels = {
        "queries": "an idle system's queries to PostgreSQL",
        "commands": "an idle system's commands to Valkey",
        "processor": "an idle system's use of one core",
    }
    return tuple(
        Figure(
            measure="idle",
            label=labels[key],
            ours=Series(name=key, unit=units[key], values=values),
            target=Target(most=10) if key == "queries" else None,
        )
        for key, values in spent.items()
    )
