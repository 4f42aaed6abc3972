"""How many deliveries a second go through one worker process, when the provider costs nothing."""

from __future__ import annotations

import time
from typing import Any, Final

import redis

from bench import populate
from bench.baselines import broker, empty_task, task_per_message
from bench.baselines.surroundings import redis_url
from bench.bench import Bench
from bench.figures import Figure, Outcome, Target
from notify import lanes
from notify.models import Template

LANE: Final = "sms.normal"
TEMPLATE: Final[dict[str, Any]] = {
    "key": "code",
    "contents": {"sms": {"en": {"text": "Your code is {{ code }}. It is valid for five minutes."}}},
}
PROVIDER: Final[dict[str, Any]] = {
    "name": "noop",
    "channel": "sms",
    "adapter": "sandbox",
    "max_concurrency": 4,
    "config": {"journal": False},
}


class _Delivery:
    """The backlog and its three ways out."""

    def __init__(self, bench: Bench) -> None:
        self._rig = bench.rig
        self._backlog = bench.size(100_000, least=500)
        self._empty = bench.size(3_000, least=500)
        self._tasks = bench.size(800, least=200)
        bench.providers(PROVIDER)
        bench.configure({"templates": [TEMPLATE]})
        self._application = bench.application("delivery")
        self._template = Template.objects.get(key=TEMPLATE["key"], application=None).current_id

    def _fill(self, cursor: Any, count: int) -> None:
        populate.empty(cursor)
        populate.queue(
            cursor,
            application_id=self._application.pk,
            channel="sms",
            priority="normal",
            count=count,
            template_version_id=self._template,
        )
        populate.settle(cursor)

    def ours(self) -> float:
        """Deliveries a second of the product's worker, from the ring of the bell to the last recording."""
        with self._rig.database() as cursor:
            self._fill(cursor, self._backlog)
            began = time.monotonic()
            lanes.ring([LANE])
            return self._backlog / (wait_until_sent(cursor) - began)

    def empty(self) -> float:
        """Empty tasks a second."""
        with redis.Redis.from_url(redis_url(1)) as client:
            arguments = ((),) * self._empty
            began = broker.fill(
                client, app=empty_task.app, task=empty_task.TASK, queue=empty_task.QUEUE, arguments=arguments
            )
            broker.wait_until_done(client, empty_task.QUEUE)
            return self._empty / (time.monotonic() - began)

    def task_each(self) -> float:
        """Deliveries a second of a worker with one task a message."""
        with self._rig.database() as cursor, redis.Redis.from_url(redis_url(2)) as client:
            self._fill(cursor, self._tasks)
            cursor.execute("SELECT id::text FROM notify_delivery")
            began = broker.fill(
                client,
                app=task_per_message.app,
                task=task_per_message.TASK,
                queue=task_per_message.QUEUE,
                arguments=cursor.fetchall(),
            )
            broker.wait_until_done(client, task_per_message.QUEUE)
            return self._tasks / (wait_until_sent(cursor) - began)


def wait_until_sent(cursor: Any, *, since: str = "00000000-0000-0000-0000-000000000000") -> float:
    """Waits until nothing is due or under way, and says when that was. Raises AssertionError when not all, from the id
    ``since`` on, were sent."""
    while True:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM notify_delivery WHERE status IN ('queued', 'scheduled')),"
            " EXISTS (SELECT 1 FROM notify_delivery WHERE status = 'sending')"
        )
        now = time.monotonic()
        if cursor.fetchone() == (False, False):
            break
        time.sleep(0.05)
    cursor.execute("SELECT count(*) FROM notify_delivery WHERE status <> 'sent' AND id >= %s", [since])
    assert cursor.fetchone() == (0,), "some deliveries were not sent"
    return now


def run(bench: Bench) -> Outcome:
    """Ours, (a) and (b), in turn, each worker running all the while."""
    delivery = _Delivery(bench)
    bench.rig.run_process("sms")
    bench.rig.run_worker(
        "empty", app="bench.baselines.empty_task", queue=empty_task.QUEUE, options=(*empty_task.OPTIONS, *WITHOUT)
    )
    bench.rig.run_worker(
        "tasks",
        app="bench.baselines.task_per_message",
        queue=task_per_message.QUEUE,
        options=(*task_per_message.OPTIONS, *WITHOUT),
    )
    found = bench.alternate("/s", ours=delivery.ours, empty=delivery.empty, task_each=delivery.task_each)
    return Outcome(
        figures=(
            Figure(
                measure="delivery",
                label="deliveries, against empty Celery tasks",
                ours=found["ours"],
                baseline=found["empty"],
                target=Target(least=3),
            ),
            Figure(
                measure="delivery",
                label="deliveries, against a Celery task a message",
                ours=found["ours"],
                baseline=found["task_each"],
                target=Target(least=5),
            ),
        )
    )


WITHOUT: Final = empty_task.WITHOUT
