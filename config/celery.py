"""The Celery application."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("goutong")
app.config_from_object("config.celeryconfig")
app.autodiscover_tasks(["notify", "monitoring"])
