"""The Celery application."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_ready

from config import memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# A worker under root is warned about because of pickled tasks. Ours are JSON, and name a lane.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("goutong")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["notify", "monitoring", "admin_portal"])


@worker_ready.connect
def _settle(**_kwargs: object) -> None:
    memory.settle()
