"""An application of the company, as the product sees it: HTTP and nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.stack.live import LiveStack

#: For up to so many seconds everybody goes by the configuration that he knew: ``CHANNELS["CONFIG_MAX_AGE_S"]``, and as
#: long again as it may take to read it anew on a busy machine, since the others go by the last snapshot meanwhile.
KNOWN_FOR_S = 1.0 + 0.5
TERMINAL = {"sent", "delivered", "failed", "dead", "expired", "cancelled", "suppressed", "held"}


class Company:
    """One application with its key on a live stack, and its way to configure, send and look."""

    def __init__(self, live: LiveStack, name: str, *, configuration: dict[str, Any]) -> None:
        self.live = live
        self.name = name
        self.began_at = datetime.now(UTC)
        self._http = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(30))
        self.configure({"applications": [{"name": name}], **configuration})
        made = live.manage("create_api_key", name, "--scopes", "send,read")
        assert made.returncode == 0, made.stderr
        self._key = made.stdout.strip()

    @property
    def key(self) -> str:
        """The API key it sends with."""
        return self._key

    def use_key(self, key: str) -> None:
        """Goes on with another key."""
        self._key = key

    def configure(self, configuration: dict[str, Any]) -> None:
        """Applies a configuration file, and waits until it counts: workers would still send by the providers of the
        test before, and nothing outside tells what they know."""
        path = self.live.data_dir / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump(configuration, allow_unicode=True))
        applied = self.live.manage("apply_config", str(path))
        assert applied.returncode == 0, applied.stderr + applied.stdout
        time.sleep(KNOWN_FOR_S)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """One request; a body that is bytes goes as it is."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return self._http.request(
            method,
            f"{self.live.url}/api/v1/{path}",
            body=raw,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **headers},
        )

    def send(self, **body: Any) -> dict[str, Any]:
        """A notification that has to be accepted."""
        answer = self.call("POST", "notifications", body)
        assert answer.status == 202, answer.data
        return dict(answer.json())

    def send_batch(self, head: dict[str, Any], recipients: Iterable[dict[str, Any]]) -> str:
        """A batch as NDJSON that has to be accepted; returns its id."""
        lines = "\n".join(json.dumps(line) for line in [head, *recipients])
        answer = self.call("POST", "notifications/batch", lines.encode(), **{"Content-Type": "application/x-ndjson"})
        assert answer.status == 202, answer.data
        return str(answer.json()["batch_id"])

    def get(self, path: str) -> dict[str, Any]:
        """What is there."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.data
        return dict(answer.json())

    def status(self, notification: dict[str, Any]) -> str:
        """The state of a notification."""
        return str(self.get(f"notifications/{notification['id']}")["status"])

    def reconcile(self) -> dict[str, Any]:
        """The books since this company began; they have to balance."""
        found = self.live.manage("reconcile", "--since", self.began_at.isoformat())
        assert found.returncode == 0, found.stdout + found.stderr
        return dict(json.loads(found.stdout))

    def journal(self, provider: str) -> Counter[str]:
        """How often the sandbox provider took each delivery."""
        path: Path = self.live.data_dir / "sandbox" / f"{provider}.jsonl"
        if not path.exists():
            return Counter()
        whole, _, _being_written = path.read_text().rpartition("\n")
        return Counter(json.loads(line)["id"] for line in whole.splitlines())


@dataclass
class Load:
    """Notifications sent one after the other from another thread, and what came of asking."""

    company: Company
    body: dict[str, Any]
    every_s: float = 0.02
    accepted: list[str] = field(default_factory=list)
    answers: list[tuple[float, int, float]] = field(default_factory=list)
    retry_after_missing: int = 0

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(2)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_rest: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            began = time.monotonic()
            try:
                answer = self.company.call("POST", "notifications", self.body)
            except urllib3.exceptions.HTTPError:
                self.answers.append((began, 0, time.monotonic() - began))
                continue
            self.answers.append((began, answer.status, time.monotonic() - began))
            if answer.status == 202:
                self.accepted.append(answer.json()["deliveries"][0]["id"])
            elif answer.status == 503 and "Retry-After" not in answer.headers:
                self.retry_after_missing += 1

    def between(self, start: float, end: float) -> list[tuple[int, float]]:
        """Status and seconds of the requests begun between two moments of the monotonic clock."""
        return [(status, took) for began, status, took in list(self.answers) if start <= began < end]
