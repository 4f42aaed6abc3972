"""What the engine, which counts every try and judges providers by it, adds to the cost of a delivery."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Final

from bench import populate
from bench.baselines.surroundings import redis_url
from bench.bench import Bench
from bench.figures import Figure, Outcome, Series, Target
from bench.measures.delivery import LANE, PROVIDER, TEMPLATE, wait_until_sent
from config.celery import app
from notify.doorbell import DRAIN_TASK
from notify.models import Template

#: The worker without has a broker of its own, so that a bell rings for one of them.
_BROKERS: Final[Mapping[str, int]] = {"with": 0, "without": 4}
_APP: Final = "bench.baselines.without_engine"
_CONFIG: Final = "config.celery"


class _Engine:
    """The same backlog through a worker with the engine, and through one without."""

    def __init__(self, bench: Bench) -> None:
        self._rig = bench.rig
        self._backlog = bench.size(20_000, least=500)
        bench.providers(PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        self._application = bench.application("engine").pk
        self._template = Template.objects.get(key=TEMPLATE["key"], application=None).current_id

    def start(self) -> None:
        """Both."""
        self._rig.run_instead("with", of="sms", replaced={"sms@%h": "with@%h"})
        self._rig.run_instead(
            "without",
            of="sms",
            replaced={"sms@%h": "without@%h", _CONFIG: _APP},
            variables={"BROKER_URL": redis_url(_BROKERS["without"])},
            broker=redis_url(_BROKERS["without"]),
        )

    def deliver(self, worker: str) -> dict[str, float]:
        """Microseconds of processor time that one delivery costs: the worker's, and the servers'."""
        with self._rig.database() as cursor:
            populate.empty(cursor)
            populate.queue(
                cursor,
                application_id=self._application,
                channel="sms",
                priority="normal",
                count=self._backlog,
                template_version_id=self._template,
            )
            populate.settle(cursor)
            before = self._used(worker)
            with closing(app.connection_for_write(redis_url(_BROKERS[worker]))) as broker:
                app.send_task(DRAIN_TASK, args=(LANE,), queue=LANE, connection=broker, ignore_result=True)
            wait_until_sent(cursor)
            return {"cost": (self._used(worker) - before) / self._backlog * 1e6}

    def _used(self, worker: str) -> float:
        return sum(self._rig.processor_s(name) for name in (worker, "postgres", "valkey"))


def run(bench: Bench) -> Outcome:
    """With and without, in turn."""
    engine = _Engine(bench)
    engine.start()
    for worker in _BROKERS:
        engine.deliver(worker)  # opens the provider's threads and the connections
    found = bench.alternate_all({worker: partial(engine.deliver, worker) for worker in _BROKERS}, times=2)
    return Outcome(
        figures=(
            Figure(
                measure="engine",
                label="processor time of a delivery with the engine, against without",
                ours=Series(name="with", unit="µs", values=found["with"]["cost"]),
                baseline=Series(name="without", unit="µs", values=found["without"]["cost"]),
                target=Target(most=1.03),
                note="the worker's, PostgreSQL's and Valkey's together",
            ),
        )
    )
