"""``manage.py demo_traffic``: the demo's applications at work, through the real HTTP API."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import threading
import time
from types import FrameType
from typing import Any, Final

import urllib3
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from admin_portal.demo import Keepsake
from admin_portal.traffic import Call, Outage, next_call

logger = logging.getLogger(__name__)

_OUTAGE_OF: Final = ("im-work", "im-spare")
_REPORT_EVERY_S: Final = 300


class Command(BaseCommand):
    help = "Posts a trickle of notifications as the demo's applications, until it is told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=float, default=1.0, help="calls a second, on average")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()

        def end(_signal: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        Trickle(stop, rate=options["rate"]).run()


class Trickle:
    """Calls the API about ``rate`` times a second. Whatever is down, it waits a little and goes on."""

    def __init__(self, stop: threading.Event, *, rate: float) -> None:
        self._stop = stop
        self._pause_s = 1 / max(rate, 0.01)
        self._rng = random.Random()
        self._http = urllib3.PoolManager(num_pools=2, retries=False, timeout=urllib3.Timeout(total=5))
        self._base = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/api/v1/"
        self._outage = Outage()
        self._down: bool | None = None
        self._counts: dict[str, int] = {}

    def run(self) -> None:
        """Until ``stop`` is set."""
        started = reported = time.monotonic()
        while not self._stop.is_set():
            self._play(down=self._outage.is_on(since_start_s=time.monotonic() - started))
            pleased = self._post(next_call(rng=self._rng, now=timezone.now()))
            if time.monotonic() - reported > _REPORT_EVERY_S:
                reported = time.monotonic()
                logger.info("demo traffic", extra={"answers": self._counts})
            self._stop.wait(self._pause_s * self._rng.uniform(0.4, 1.6) if pleased else 5.0)
        self._play(down=False)

    def _post(self, call: Call) -> bool:
        # Read each time: the first start of a stack makes the keys while this process is already up.
        key = Keepsake.read(settings.DATA_DIR).keys.get(call.application)
        if key is None:
            return self._count("no key", pleased=False)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        body = json.dumps(call.body, ensure_ascii=False).encode()
        try:
            answer = self._http.request("POST", self._base + call.path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError:
            return self._count("no answer", pleased=False)
        return self._count(str(answer.status), pleased=answer.status < 500)

    def _count(self, answer: str, *, pleased: bool) -> bool:
        if answer not in self._counts:
            logger.info("demo traffic: first answer of this kind", extra={"answer": answer})
        self._counts[answer] = self._counts.get(answer, 0) + 1
        return pleased

    def _play(self, *, down: bool) -> None:
        """Makes both IM gateways fail, or behave. What an earlier run left behind ends with the first call."""
        if down == self._down or not settings.SANDBOX_URL:
            return
        behaviour = json.dumps({"status": 503} if down else {}).encode()
        headers = {"Content-Type": "application/json"}
        for name in _OUTAGE_OF:
            try:
                self._http.request("PUT", f"{settings.SANDBOX_URL}/behaviour/{name}", body=behaviour, headers=headers)
            except urllib3.exceptions.HTTPError:
                return  # the sandbox is not up yet: the next round tries again
        self._down = down
