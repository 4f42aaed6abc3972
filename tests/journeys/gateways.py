"""SMS gateways of a test, and a steady load on the product, measured where the messages arrive."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.journeys.client import Company

_REPOSITORY = Path(__file__).resolve().parents[2]


class Asked(NamedTuple):
    """One request to a gateway: when (the wall clock), which, about which delivery, and whether it was taken."""

    at: float
    path: str
    id: str
    taken: bool


class Gateways:
    """Two SMS gateways on one port, ``/a`` and ``/b``. ``error_rates``: which share of its requests each refuses."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self.error_rates: dict[str, float] = {}
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                taken = random.random() >= outer.error_rates.get(self.path, 0.0)
                outer.asked.append(Asked(time.time(), self.path, body["id"], taken))
                if latency_s:
                    time.sleep(latency_s)
                answer = b'{"code": 0}'
                self.send_response(200 if taken else 503)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends both."""
        self._server.shutdown()
        self._server.server_close()

    def provider(self, path: str, name: str, weight: int) -> dict[str, Any]:
        """Its configuration."""
        return {
            "name": name,
            "channel": "sms",
            "adapter": "http_sms",
            "weight": weight,
            "timeout_s": 2,
            "max_concurrency": 32,
            "config": {
                "url": f"http://127.0.0.1:{self._server.server_port}{path}",
                "body": '{"id": {{ id | json }}, "to": {{ to | json }}}',
                "success": {"path": "code", "equals": 0},
            },
        }

    def first_attempts(self, *, since: float, until: float = float("inf")) -> list[str]:
        """Where each message was tried first, of those that were in this time."""
        seen: set[str] = set()
        found = []
        for one in list(self.asked):
            if one.id not in seen and since <= one.at < until:
                found.append(one.path)
            seen.add(one.id)
        return found

    def share(self, path: str, *, since: float, until: float = float("inf")) -> float:
        """What part of the first attempts of this time went there."""
        paths = self.first_attempts(since=since, until=until)
        return paths.count(path) / len(paths) if paths else 0.0

    def load(self, path: str, *, since: float, until: float) -> float:
        """How many requests a second came there in this time, first attempts and others."""
        return sum(one.path == path and since <= one.at < until for one in list(self.asked)) / max(until - since, 0.001)

    def taken(self) -> list[str]:
        """Every message that was taken, as often as it was."""
        return [one.id for one in list(self.asked) if one.taken]

    def arrivals(self) -> dict[str, float]:
        """When each message was taken."""
        return {one.id: one.at for one in reversed(list(self.asked)) if one.taken}


@dataclass
class SteadyLoad:
    """So many notifications a second from a process of its own, until the end of the block; then ``accepted`` has the
    deliveries, and when each was asked for (the wall clock)."""

    company: Company
    body: dict[str, Any]
    per_second: float
    connections: int = 16

    def __enter__(self) -> SteadyLoad:
        plan = {
            "port": self.company.live.port,
            "path": "/api/v1/notifications",
            "headers": {"Authorization": f"Bearer {self.company.key}"},
            "body": json.dumps(self.body),
            "connections": self.connections,
            "every_s": self.connections / self.per_second,
            "seconds": 3600,
            "keep_bodies": True,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load.http"],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(plan))
        self._process.stdin.close()
        self._process.stdin = None  # it is read to its end already
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        output, _errors = self._process.communicate(timeout=60)
        found = json.loads(output)
        self.statuses: dict[str, int] = found["statuses"]
        self.rate = sum(self.statuses.values()) / found["seconds"]
        self.accepted: dict[str, float] = {}
        for begun_at, body in zip(found["begun_at"], found["bodies"], strict=True):
            deliveries = json.loads(body).get("deliveries", [])
            self.accepted.update((one["id"], begun_at) for one in deliveries)


def wait_seconds(wait_for: Callable[..., Any], seconds: float) -> float:
    """Lets so many seconds of the load go by; returns the moment after."""
    until = time.time() + seconds
    wait_for(lambda: time.time() >= until, timeout=seconds + 10)
    return time.time()
