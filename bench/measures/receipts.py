"""Receipts by the thousand, and what they do to sending."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import urllib3

from bench import populate
from bench.bench import Bench
from bench.figures import Figure, Outcome, Target
from bench.measures.isolation import EMAIL
from notify import lanes

_SECRET: Final = "agreed"
_LIMIT_S: Final = 60.0
#: A thousand reports a second, as a gateway sends them that gathers a little.
_CALLBACKS_A_SECOND: Final = 20
_REPORTS: Final = 50
_GATEWAY: Final[dict[str, Any]] = {
    "name": "reporting",
    "channel": "sms",
    "adapter": "http_sms",
    "config": {
        "url": "http://127.0.0.1:9/send",
        "receipts": True,
        "callback_secret": _SECRET,
        "callback": {
            "signature": {"header": "X-Token", "method": "secret"},
            "reports": "list",
            "message_id": "sid",
            "status": "stat",
            "delivered": ["DELIVRD"],
        },
    },
}
_SENT: Final = """
UPDATE notify_delivery SET status = 'sent', provider = 'reporting', provider_message_id = 'r-' || id, attempts = 1,
       sent_at = now(), finished_at = now(), receipt_until = now() + interval '1 day'
 WHERE lane = 'sms.normal' AND status = 'queued' RETURNING provider_message_id
"""


class _Receipts:
    """Email that is sent, and an SMS gateway that reports meanwhile."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._rig = bench.rig
        self._count = bench.size(3_000, least=300)
        self._application = bench.application("receipts").pk
        self._names: Iterator[str] = iter(())
        self.failed: list[int] = []

    def email(self) -> float:
        """How many emails a second leave a backlog."""
        with self._rig.database() as cursor:
            cursor.execute("SELECT uuidv7()::text")
            (first,) = cursor.fetchone()
            began = time.monotonic()
            populate.queue(
                cursor, application_id=self._application, channel="email", priority="normal", count=self._count
            )
            lanes.ring(["email.normal"])
            left = self._count
            while left:
                assert time.monotonic() - began < _LIMIT_S, f"{left} emails are not sent after {_LIMIT_S} s"
                time.sleep(0.02)
                cursor.execute(
                    "SELECT count(*) FROM notify_delivery WHERE lane = 'email.normal' AND id >= %s AND attempts = 0",
                    [UUID(first)],
                )
                (left,) = cursor.fetchone()
        return self._count / (time.monotonic() - began)

    def email_and_receipts(self) -> float:
        """The same while a thousand receipts come in a second, each of another message."""
        with self._reporting():
            return self.email()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        with self._rig.database() as cursor:
            populate.queue(
                cursor,
                application_id=self._application,
                channel="sms",
                priority="normal",
                count=self._bench.size(20_000, least=5_000),
            )
            cursor.execute(_SENT)
            self._names = iter([name for (name,) in cursor.fetchall()])
        over = threading.Event()
        thread = threading.Thread(target=self._report, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not self.failed, self.failed

    def _report(self, over: threading.Event) -> None:
        url = f"http://127.0.0.1:{self._rig.port}/api/v1/receipts/reporting"
        headers = {"X-Token": _SECRET, "Content-Type": "application/json"}
        with urllib3.PoolManager(retries=False, timeout=10) as http:
            due = time.monotonic()
            while not over.wait(max(0.0, due - time.monotonic())):
                due += 1 / _CALLBACKS_A_SECOND
                said = [{"sid": name, "stat": "DELIVRD"} for _, name in zip(range(_REPORTS), self._names, strict=False)]
                if not said:
                    return
                answer = http.request("POST", url, body=json.dumps({"list": said}), headers=headers)
                if answer.status not in (200, 503):
                    self.failed.append(answer.status)


def run(bench: Bench) -> Outcome:
    """Sending with receipts, and without."""
    receipts = _Receipts(bench)
    bench.providers(EMAIL, _GATEWAY)
    for name in ("web", "email"):
        bench.rig.run_process(name)
    receipts.email()
    found = bench.alternate("/s", **{"without": receipts.email, "with": receipts.email_and_receipts})
    return Outcome(
        figures=(
            Figure(
                measure="receipts",
                label="email's throughput while 1,000 receipts a second come in, against without",
                ours=found["with"],
                baseline=found["without"],
                target=Target(least=0.95),
            ),
        )
    )
