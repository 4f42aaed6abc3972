"""Tasks by the ten thousand: in a worker's queue all at once, so that what is measured is the worker."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, cast
from uuid import uuid4

import redis
from celery import Celery

_PIPELINE: Final = 2000
#: Where kombu keeps what a worker has taken and not acknowledged.
_UNACKED: Final = "unacked"
_STAGED: Final = "bench.staged"


def fill(client: redis.Redis, *, app: Celery, task: str, queue: str, arguments: Iterable[tuple[Any, ...]]) -> float:
    """Puts a call of ``task`` for each of ``arguments`` into ``queue`` by one rename; returns when that was
    (time.monotonic()). The messages are copies of one that Celery itself published, each with ids of its own."""
    client.delete(_STAGED, queue)
    # To a queue that nobody consumes: it is only looked at.
    app.send_task(task, args=(), queue=_STAGED, ignore_result=True)
    model = json.loads(cast("bytes", client.rpop(_STAGED)))
    with client.pipeline(transaction=False) as pipeline:
        for number, args in enumerate(arguments, 1):
            pipeline.lpush(_STAGED, _copy(model, args, queue))
            if number % _PIPELINE == 0:
                pipeline.execute()
        pipeline.execute()
    began = time.monotonic()
    client.rename(_STAGED, queue)
    return began


def _copy(model: dict[str, Any], arguments: tuple[Any, ...], queue: str) -> str:
    identifier = str(uuid4())
    body = json.dumps([list(arguments), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    headers = {**model["headers"], "id": identifier, "root_id": identifier, "argsrepr": "", "kwargsrepr": ""}
    properties = {
        **model["properties"],
        "correlation_id": identifier,
        "delivery_tag": str(uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
    }
    return json.dumps(
        {**model, "body": base64.b64encode(body.encode()).decode(), "headers": headers, "properties": properties}
    )


def wait_until_done(client: redis.Redis, queue: str, *, also: Callable[[], bool] = lambda: True) -> None:
    """Waits until nothing is left in ``queue`` and in the worker's hands, and ``also`` says so."""
    while client.llen(queue) or client.hlen(_UNACKED) or not also():
        time.sleep(0.02)
