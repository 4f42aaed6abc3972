"""The lifeboat: drains lanes straight from PostgreSQL while the broker or a lane's workers are gone."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from notify import lifeboat, workers


class Command(BaseCommand):
    """``manage.py lifeboat``: runs until it is told to stop."""

    help = "Drains lanes that have due work and no sign of life, straight from PostgreSQL. Runs until stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: workers.stop())
        lifeboat.run()
