"""Where the baselines' brokers are: the rig's Valkey, in databases of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from config import stack


def redis_url(number: int) -> str:
    """The rig's Valkey, database ``number``; that of the product is 0."""
    url = stack.read_addresses(Path(os.environ["DATA_DIR"]))["redis_url"]
    return re.sub(r"/\d*$", f"/{number}", url)


def celery_app(name: str, *, database: int, queue: str, **options: Any) -> Celery:
    """A Celery application with settings tuned for throughput: no results, no events, no rate limits."""
    app = Celery(name, broker=redis_url(database))
    app.conf.update(
        task_queues=[Queue(queue, exchange=Exchange(""), routing_key=queue)],
        task_default_queue=queue,
        task_default_exchange="",
        task_default_routing_key=queue,
        task_ignore_result=True,
        worker_send_task_events=False,
        worker_disable_rate_limits=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 3600},
        **options,
    )
    return app
