"""What one message costs, for the plan in docs/capacity.md, and how far the plan's model is from the product."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import urllib3

from bench import populate
from bench.bench import Bench
from bench.capacity import meter, trial
from bench.capacity.costs import Spent
from bench.capacity.lane import Pace
from bench.figures import Figure, Outcome, Series
from bench.load.http import UNIQUE, Plan
from bench.load.run import ask
from bench.measures import accept, delivery
from notify import lanes
from notify.models import Template

#: Of what the provider's places can do. The last one is more than they can.
LOADS: Final = (0.5, 0.8, 0.95, 1.2)


class _Calibration:
    """What a message costs, accepted and delivered."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        bench.providers(delivery.PROVIDER)
        bench.configure({"templates": [delivery.TEMPLATE]})
        self.application = bench.application("capacity", rate_limit="900000/s", daily_quota=1_000_000_000).pk
        self._key = bench.api_key("capacity")

    def deliver(self) -> tuple[Spent, float]:
        """A delivery in a full lane, and how many bytes it leaves with its notification."""
        count = self._bench.size(15_000, least=500)
        template = Template.objects.get(key=delivery.TEMPLATE["key"], application=None).current_id
        with self._rig.database() as cursor:
            populate.empty(cursor)
            populate.queue(
                cursor,
                application_id=self.application,
                channel="sms",
                priority="normal",
                count=count,
                template_version_id=template,
            )
            populate.settle(cursor)
            with meter.metered(self._rig, process="sms", messages=count) as spent:
                lanes.ring([delivery.LANE])
                delivery.wait_until_sent(cursor)
            cursor.execute(
                "SELECT sum(pg_total_relation_size(relid))::float"
                " FROM unnest(%s::regclass[]) AS stored, pg_partition_tree(stored)",
                [[f"notify_{name}" for name in ("notification", "delivery", "attempt", "event")]],
            )
            (stored,) = cursor.fetchone()
        return spent[0], stored / count

    def accept_singly(self) -> Spent:
        """A notification in a request of its own."""
        self._empty()
        plan = Plan(
            port=self._rig.port,
            path="/api/v1/notifications",
            body=json.dumps(accept.BODY),
            headers={"Authorization": f"Bearer {self._key}", "Idempotency-Key": UNIQUE},
            connections=16,
            seconds=self._bench.seconds(3.0, least=1.0),
        )
        with meter.metered(self._rig, process="web") as spent:
            assert ask(plan).per_second(202)
        return spent[0]

    def accept_batch(self) -> Spent:
        """A recipient of a batch."""
        self._empty()
        count = self._bench.size(10_000, least=500)
        head = {key: accept.BODY[key] for key in ("channels", "template", "locale", "params")}
        recipients = [{"to": {"phone": f"+86138{number:08d}"}} for number in range(count)]
        body = json.dumps({**head, "priority": "bulk", "recipients": recipients}).encode()
        url = f"http://127.0.0.1:{self._rig.port}/api/v1/notifications/batch"
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        with meter.metered(self._rig, process="web", messages=count) as spent:
            answer = urllib3.request("POST", url, body=body, headers=headers, timeout=60, retries=False)
            assert answer.status == 202, answer.data
        return spent[0]

    def _empty(self) -> None:
        with self._rig.database() as cursor:
            populate.empty(cursor)
            cursor.execute("CHECKPOINT")


def run(bench: Bench) -> Outcome:
    """The costs; then the model beside the product at each load, and with a lane flooded."""
    calibration = _Calibration(bench)
    steps = len(LOADS) + 4
    bench.step("accepting", 0, steps)
    bench.rig.run_process("web")
    spent = {"single": calibration.accept_singly(), "recipient": calibration.accept_batch()}
    bench.rig.stop("web")
    bench.step("delivering", 1, steps)
    bench.rig.run_process("sms")
    spent["delivery"], stored_bytes = calibration.deliver()
    disk = meter.disk(bench.rig.data_dir, seconds=bench.seconds(0.7, least=0.1))
    bench.step("a worker's times", 2, steps)
    bench.providers(trial.PROVIDER)
    pace = trial.find_pace(bench, application=calibration.application, message_s=spent["delivery"].process_s)
    loads = []
    for number, load in enumerate(LOADS):
        bench.step(f"{load:.0%} of what the places can do", number + 3, steps)
        loads.append(
            trial.try_load(
                bench,
                application=calibration.application,
                pace=pace,
                load=load,
                seconds=bench.seconds(5.0, least=1.0),
            )
        )
    bench.step("a flood", steps - 1, steps)
    flood = _flood(bench, calibration.application, pace)
    costs = {
        **{name: asdict(one) for name, one in spent.items()},
        "stored_bytes": stored_bytes,
        "pace": asdict(pace),
        "disk": asdict(disk),
    }
    return Outcome(
        figures=(*_load_figures(loads), *_flood_figures(flood)),
        details={"costs": costs, "loads": loads, "flood": flood},
    )


def _flood(bench: Bench, application: int, pace: Pace) -> dict[str, float]:
    return trial.try_flood(
        bench,
        flooding=application,
        small=bench.application("small").pk,
        pace=pace,
        due=bench.size(700, least=50),
        seconds=bench.seconds(5.0, least=1.0),
    )


def _load_figures(loads: Sequence[dict[str, float]]) -> Iterator[Figure]:
    for found in loads:
        label = f"wait for a place at {found['load']:.0%} of what the places can do, p99, against the simulation"
        yield _figure(label, found, "p99")
    yield _figure("throughput at the last of them, against the simulation", loads[-1], "rate", unit="/s")


def _flood_figures(flood: dict[str, float]) -> Iterator[Figure]:
    yield _figure("wait of critical messages while bulk floods, p99, against the simulation", flood, "p99", "critical_")
    yield _figure("wait of single messages in the flooded lane, p99, against the simulation", flood, "p99", "single_")


def _figure(label: str, found: dict[str, float], key: str, prefix: str = "", unit: str = "ms") -> Figure:
    return Figure(
        measure="capacity",
        label=label,
        ours=Series(name="measured", unit=unit, values=(found[f"{prefix}measured_{key}"],)),
        baseline=Series(name="simulated", unit=unit, values=(found[f"{prefix}simulated_{key}"],)),
    )
