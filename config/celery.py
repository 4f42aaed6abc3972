"""The Celery application: queues are lanes, tasks are doorbells."""

from __future__ import annotations

import os

from celery import Celery
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings  # noqa: E402  (the environment variable above must stand first)

from channels.names import CONTROL_QUEUE, LANES  # noqa: E402

app = Celery("goutong")

# The nameless exchange routes by queue name alone. With a named one, kombu keeps the binding in a Redis set, and after
# a FLUSHALL every publish fails until somebody declares the queue again.
_NAMELESS = Exchange("")

app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_connect_timeout": 2.0,
        "socket_timeout": 15.0,
        "socket_keepalive": True,
        "health_check_interval": 10,
    },
    task_queues=[Queue(name, exchange=_NAMELESS, routing_key=name) for name in (*LANES, CONTROL_QUEUE)],
    task_default_queue=CONTROL_QUEUE,
    task_default_exchange="",
    task_default_routing_key=CONTROL_QUEUE,
    task_create_missing_queues=False,
    task_ignore_result=True,
    task_acks_late=False,
    task_send_sent_event=False,
    worker_send_task_events=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
    redbeat_redis_url=settings.REDIS_URL,
    redbeat_key_prefix="redbeat:goutong:",
    redbeat_lock_timeout=30,
    beat_max_loop_interval=5,
)
app.autodiscover_tasks(["notify", "monitoring"])
