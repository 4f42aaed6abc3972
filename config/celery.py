"""The Celery application."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# A worker under root is warned about because of pickled tasks. Ours are JSON, and name a lane.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("goutong")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["notify", "monitoring"])
