"""A spike: batches of bulk from several threads, each at its own pace whatever is answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

import urllib3


class Caller(Protocol):
    """An application with its key: whoever can call the API."""

    def call(self, method: str, path: str, body: Any) -> urllib3.BaseHTTPResponse:
        """One request."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch that was not taken: when (time.monotonic()), what ``Retry-After`` said, and the problem."""

    at: float
    retry_after: str
    problem: dict[str, Any]


@dataclass
class Spike:
    """``threads`` that each begin a batch of ``batch`` recipients every ``every_s`` seconds, and what was answered."""

    caller: Caller
    batch: int
    threads: int
    every_s: float
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Recipients offered in a second, if no answer takes longer than a thread's pace."""
        return self.batch * self.threads / self.every_s

    def run(self, *, seconds: float, share: float = 1.0) -> None:
        """Sends for so long; with ``share`` no more than that part of it."""
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._send, args=(until, self.every_s / share), daemon=True)
            for _ in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 30)

    def _send(self, until: float, every_s: float) -> None:
        body = {
            "channels": ["sms"],
            "content": {"text": "Sale"},
            "priority": "bulk",
            "recipients": [{"to": {"phone": f"+86138{number:08d}"}} for number in range(self.batch)],
        }
        due = time.monotonic()
        while (now := time.monotonic()) < until:
            if due > now:
                threading.Event().wait(due - now)
            due += every_s
            answer = self.caller.call("POST", "notifications/batch", body)
            self.statuses[answer.status] += 1
            if answer.status == 202:
                self.accepted += answer.json()["accepted"]
            elif answer.status == 429:
                wait = answer.headers.get("Retry-After", "")
                self.refusals.append(Refusal(time.monotonic(), wait, answer.json()))
