"""(a) The most a Celery worker can do: a task that does nothing, acknowledged early, with nothing kept of it."""

from __future__ import annotations

from typing import Final

from bench.baselines.surroundings import celery_app, redis_url

QUEUE: Final = "empty"
TASK: Final = "bench.empty"
#: The fastest of the pools that a worker may have, on two cores (docs/performance.md has the others' figures).
OPTIONS: Final = ("--pool", "solo", "--prefetch-multiplier", "200")
WITHOUT: Final = ("--without-mingle", "--without-gossip", "--without-heartbeat")

app = celery_app("bench-empty", database=1, queue=QUEUE, result_backend=redis_url(1))


@app.task(name=TASK)
def empty() -> None:
    """Nothing."""


@app.task(name="bench.echo", ignore_result=False)
def echo() -> None:
    """Nothing, and that is its result: for its round trip."""
