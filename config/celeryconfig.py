"""Celery's settings, read when Celery first needs them. Queues are lanes; tasks are doorbells."""

from __future__ import annotations

from typing import Any

from celery.schedules import schedule
from django.conf import settings
from kombu import Exchange, Queue

from channels.names import CONTROL_QUEUE, LANES

# The nameless exchange routes by queue name alone. With a named one, kombu keeps the binding in a Redis set, and after
# a FLUSHALL every publish fails until somebody declares the queue again.
_NAMELESS = Exchange("")

accept_content = ["json"]
broker_url = settings.BROKER_URL.replace("unix://", "redis+socket://")
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    "visibility_timeout": 600,
    "socket_connect_timeout": 2.0,
    "socket_timeout": 15.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
task_queues = [Queue(name, exchange=_NAMELESS, routing_key=name) for name in (*LANES, CONTROL_QUEUE)]
task_default_queue = CONTROL_QUEUE
task_default_exchange = ""
task_default_routing_key = CONTROL_QUEUE
task_create_missing_queues = False
task_ignore_result = True
task_acks_late = False
worker_send_task_events = True
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_cancel_long_running_tasks_on_connection_loss = False
timezone = "UTC"

beat_schedule: dict[str, dict[str, Any]] = {
    "sweep": {
        "task": "notify.sweep",
        # The lifeboat sweeps every second; this one is for when there is none.
        "schedule": schedule(run_every=5.0),
        # A sweep that waited is a sweep too late: the next one does the same.
        "options": {"queue": CONTROL_QUEUE, "expires": 5},
    },
    "judge_channels": {
        "task": "notify.judge_channels",
        # Where nobody does, the lifeboat judges.
        "schedule": schedule(run_every=1.0),
        "options": {"queue": CONTROL_QUEUE, "expires": 1},
    },
    "steer": {
        "task": "admin_portal.steer",
        # The lifeboat does the same.
        "schedule": schedule(run_every=1.0),
        "options": {"queue": CONTROL_QUEUE, "expires": 1},
    },
    "roll_up": {
        "task": "notify.roll_up",
        "schedule": schedule(run_every=20.0),
        "options": {"queue": CONTROL_QUEUE, "expires": 20},
    },
    "keep_house": {
        "task": "notify.keep_house",
        "schedule": schedule(run_every=600.0),
        "options": {"queue": CONTROL_QUEUE, "expires": 300},
    },
}
beat_max_loop_interval = 5
redbeat_redis_url = settings.REDIS_URL
redbeat_redis_options = {"socket_connect_timeout": 2.0, "socket_timeout": 15.0, "socket_keepalive": True}
redbeat_key_prefix = "redbeat:goutong:"
redbeat_lock_timeout = 30

# Celery's Django fixup closes the database connection after every task, unless it is told how many tasks may share one.
# Ours live long, and tasks close those that broke.
CELERY_DB_REUSE_MAX = 1_000_000_000
