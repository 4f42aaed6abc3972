"""One experiment: load on, fault in, fault out, and the judgement when everything is at an end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg2
import urllib3

from tests.chaos.fault import Fault
from tests.chaos.judge import Call, Evidence, History, Judgement, Taking, judge
from tests.chaos.load import body_of
from tests.chaos.scene import PROVIDER, Scene, Stuck, wait_until

_READY_S: Final = 60.0
_HISTORIES: Final = """
SELECT d.id::text, d.status,
       count(*) FILTER (WHERE a.outcome = 'outcome_unknown' AND a.provider <> ''),
       count(*) FILTER (WHERE a.outcome = 'outcome_unknown' AND a.provider = '')
  FROM notify_delivery d LEFT JOIN notify_attempt a ON a.delivery_id = d.id AND a.id >= %s::uuid
 WHERE d.id >= %s::uuid AND d.channel = 'sms'
 GROUP BY d.id, d.status
"""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """How much load, and for how long around the fault. ``long`` stretches the faults themselves."""

    rate: float = 40.0
    before_s: float = 2.5
    after_s: float = 2.5
    long: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one experiment gave. ``skipped`` says why there was none."""

    fault: Fault
    took_s: float
    judgement: Judgement | None = None
    evidence: Evidence | None = None
    skipped: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether nothing speaks against the product."""
        return self.judgement is None or self.judgement.held

    def as_dict(self) -> dict[str, Any]:
        """For the JSON: the declaration, the figures, and what was handed over in each half second."""
        found: dict[str, Any] = {"fault": self.fault.facts(), "took_s": round(self.took_s, 1), "notes": self.notes}
        if self.skipped:
            return {**found, "skipped": self.skipped}
        assert self.judgement is not None
        assert self.evidence is not None
        return {
            **found,
            "judgement": self.judgement.as_dict(),
            "books": self.evidence.books,
            **throughput(self.evidence),
        }


def throughput(evidence: Evidence, *, slot_s: float = 0.5) -> dict[str, Any]:
    """Accepted and handed over a second, over time counted from the injection."""

    def series(moments: Iterable[float]) -> list[tuple[float, float]]:
        counts: dict[int, int] = {}
        for moment in moments:
            slot = int((moment - evidence.injected_at) // slot_s)
            counts[slot] = counts.get(slot, 0) + 1
        edges = range(min(counts, default=0), max(counts, default=0) + 1)
        return [(slot * slot_s, counts.get(slot, 0) / slot_s) for slot in edges]

    return {
        "healed_s": round(evidence.healed_at - evidence.injected_at, 2),
        "accepted_per_s": series(call.at for call in evidence.calls if call.status == 202),
        "delivered_per_s": series(taking.at for taking in evidence.takings if taking.taken),
    }


def run(fault: Fault, scene: Scene, measures: Measures) -> Result:
    """Plays ``fault`` on ``scene``; heals it whatever happens."""
    began = time.monotonic()
    missing = fault.missing(scene)
    if missing:
        return Result(fault=fault, took_s=0.0, skipped=missing)
    evidence = _Experiment(fault, scene, measures).play()
    judgement = judge(evidence, fault.expect)
    judgement.against.extend(fault.check(scene, evidence))
    return Result(
        fault=fault,
        took_s=time.monotonic() - began,
        judgement=judgement,
        evidence=evidence,
        notes=dict(scene.notes),
    )


class _Experiment:
    def __init__(self, fault: Fault, scene: Scene, measures: Measures) -> None:
        self._fault = fault
        self._scene = scene
        self._measures = measures
        self._name = f"{fault.name}-{time.monotonic_ns() % 100_000}"

    def play(self) -> Evidence:
        self._prepare()
        load, record = self._scene.start_load(name=self._name, rate=self._fault.rate or self._measures.rate)
        injected_at = healed_at = time.time()
        try:
            self._let_flow(self._measures.before_s)
            self._fault.prepare(self._scene)
            injected_at = time.time()
            try:
                self._fault.inject(self._scene)
                _pass(injected_at + self._fault.lasts_s * self._measures.long - time.time())
            finally:
                self._fault.heal(self._scene)
            healed_at = time.time()
            settled = self._wait_until_settled(healed_at)
        finally:
            load_ended_at = time.time()
            load.end()
        calls = _calls(record)
        repeated = self._repeat([call for call in calls if call.status != 202])
        drained_s = self._wait_until_drained(healed_at)
        self._scene.notes["handed over since by"] = dict(self._guarded(self._workers, healed_at) or {})
        return Evidence(
            calls=calls,
            repeated=repeated,
            takings=[Taking(**entry) for entry in self._scene.provider.entries()],
            histories=self._histories(),
            books=self._books(),
            injected_at=injected_at,
            healed_at=healed_at,
            load_ended_at=load_ended_at,
            drained_s=drained_s,
            settled=settled,
        )

    def _prepare(self) -> None:
        scene = self._scene
        scene.notes.clear()
        scene.provider.behave()
        scene.configure(
            policy=self._fault.policy,
            timeout_s=self._fault.timeout_s,
            receipts=self._fault.receipts,
            report_within_s=self._fault.report_within_s,
        )
        scene.provider.begin_journal(self._name)
        wait_until(scene.lifeboat_is_on_watch, limit_s=_READY_S, what="the lifeboat is on watch")
        scene.company.began_at = datetime.now(UTC)

    def _let_flow(self, seconds: float) -> None:
        wait_until(lambda: self._scene.provider.answered() > 5, limit_s=_READY_S, what="messages flow before the fault")
        _pass(seconds)

    def _wait_until_settled(self, healed_at: float) -> bool:
        """Goes on with the load until what took over has shown itself; says whether it has."""

        def settled() -> bool:
            entries = self._scene.provider.entries()
            if not any(entry["kind"] == "answer" and entry["at"] > healed_at for entry in entries):
                return False
            return self._fault.settled is None or bool(self._guarded(self._fault.settled, self._scene))

        try:
            took_s = wait_until(settled, limit_s=self._fault.expect.settled_within_s, what="settled")
        except Stuck:
            return False
        self._scene.notes["settled after"] = round(took_s, 1)
        _pass(self._measures.after_s)
        return True

    def _repeat(self, unheard: list[Call]) -> list[Call]:
        """What was refused, or not answered, once more under its own key, as a client would."""

        def repeat(call: Call) -> Call:
            began = time.time()
            key = {"Idempotency-Key": f"{self._name}-{call.number}"}
            for _again in range(20):
                answer = self._scene.company.call("POST", "notifications", body_of(self._name, call.number), **key)
                if answer.status not in (409, 503):  # 409: the first one under that key is not through yet
                    break
                time.sleep(0.5)
            took = time.time() - began
            if answer.status != 202:
                return Call(number=call.number, at=began, took=took, status=answer.status)
            return Call(number=call.number, at=began, took=took, status=202, id=answer.json()["deliveries"][0]["id"])

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(repeat, unheard))

    def _wait_until_drained(self, healed_at: float) -> float | None:
        def drained() -> bool:
            states = self._guarded(lambda scene: scene.states(), self._scene)
            return states is not None and not states.keys() & {"queued", "scheduled", "sending"}

        try:
            wait_until(drained, limit_s=self._fault.expect.drained_within_s, what="drained")
        except Stuck:
            return None
        last = max((entry["at"] for entry in self._scene.provider.entries()), default=healed_at)
        return round(max(0.0, last - healed_at), 1)

    @staticmethod
    def _guarded(look: Callable[..., Any], *arguments: Any) -> Any:
        """What ``look`` sees; None while the engines are still away."""
        try:
            return look(*arguments)
        except (psycopg2.Error, urllib3.exceptions.HTTPError, OSError):
            return None

    def _workers(self, moment: float) -> Any:
        return self._scene.workers_since(moment)

    def _histories(self) -> dict[str, History]:
        floor = str(self._scene.floor)
        return {
            row[0]: History(status=row[1], asked=row[2], expired=row[3])
            for row in self._scene.rows(_HISTORIES, floor, floor)
        }

    def _books(self) -> dict[str, Any]:
        found = self._scene.live.manage("reconcile", "--since", self._scene.company.began_at.isoformat())
        try:
            return dict(json.loads(found.stdout))
        except ValueError:
            return {"unaccounted": None, "error": (found.stdout + found.stderr)[-500:]}


def _pass(seconds: float) -> None:
    """Lets time pass: here time is what is being measured."""
    time.sleep(max(0.0, seconds))


def _calls(record: Path) -> list[Call]:
    return [Call(**json.loads(line)) for line in record.read_text().splitlines()]


__all__ = ["PROVIDER", "Measures", "Result", "run", "throughput"]
