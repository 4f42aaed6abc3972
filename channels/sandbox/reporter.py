"""The sandbox's postman: reports of deliveries, brought to the platform a while after the messages were taken.

He gathers what is due for a provider into one request, tries again for a while what was not taken in, and has a bag of
limited size: what does not fit is a receipt that never comes, which is one of the things a sandbox is for.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final
from urllib.parse import quote, urlsplit

from django.conf import settings

from channels.sandbox import reports
from channels.sandbox.reports import Report

logger = logging.getLogger(__name__)

#: So many reports wait at most, and so many go into one request.
_BAG: Final = 200_000
_AT_ONCE: Final = 500
#: What comes due within this goes together.
_GATHER_S: Final = 0.1
_TIMEOUT_S: Final = 5.0
_AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A report that is to be made: ``id`` is what the provider calls the message."""

    provider: str
    secret: str
    id: str
    delivered: bool = True
    tries: int = 0


class Reporter:
    """Posts to ``<url>/<provider>``, from a thread of its own that begins with the first report."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._due: list[tuple[float, int, Pending]] = []
        self._serial = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, pending: Pending, *, delay_s: float) -> None:
        """Has ``pending`` reported in ``delay_s`` seconds. Never waits."""
        if not self._url.netloc:
            return
        with self._changed:
            if len(self._due) >= _BAG:
                return
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._serial), pending))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sandbox-reporter", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            for one in self._gather():
                self._bring(one)

    def _gather(self) -> list[Sequence[Pending]]:
        """What is due, by provider; waits until something is."""
        with self._changed:
            while not self._due:
                self._changed.wait()
        until_due = self._due[0][0] + _GATHER_S - time.monotonic()
        if until_due > 0:
            time.sleep(until_due)
        by_provider: defaultdict[tuple[str, str], list[Pending]] = defaultdict(list)
        with self._changed:
            while self._due and self._due[0][0] <= time.monotonic():
                _at, _serial, pending = heapq.heappop(self._due)
                by_provider[pending.provider, pending.secret].append(pending)
        return [
            every[start : start + _AT_ONCE]
            for every in by_provider.values()
            for start in range(0, len(every), _AT_ONCE)
        ]

    def _bring(self, every: Sequence[Pending]) -> None:
        try:
            status = self._post(every)
        except (OSError, http.client.HTTPException) as error:
            logger.info("the platform does not take reports: %s", type(error).__name__)
            status = 503
        if status < 500:
            if status >= 300:
                logger.warning("reports for %s were refused: %d", every[0].provider, status)
            return
        for one in every:
            if one.tries < len(_AGAIN_S):
                again = Pending(
                    provider=one.provider, secret=one.secret, id=one.id, delivered=one.delivered, tries=one.tries + 1
                )
                self.add(again, delay_s=_AGAIN_S[one.tries])

    def _post(self, every: Sequence[Pending]) -> int:
        now = datetime.now(UTC)
        said = [
            Report(id=one.id, status=reports.DELIVERED if one.delivered else reports.UNDELIVERED, at=now)
            for one in every
        ]
        headers, body = reports.write(said, secret=every[0].secret, now=now)
        opener = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = opener(self._url.netloc, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", f"{self._url.path}/{quote(every[0].provider)}", body=body, headers=dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()


class _Shared:
    reporter: ClassVar[Reporter | None] = None
    lock: ClassVar[threading.Lock] = threading.Lock()


def shared() -> Reporter:
    """That of this process, which reports to ``CHANNELS["SANDBOX_REPORTS_URL"]``; to nobody where that is empty."""
    with _Shared.lock:
        if _Shared.reporter is None:
            _Shared.reporter = Reporter(settings.CHANNELS.get("SANDBOX_REPORTS_URL", ""))
        return _Shared.reporter
