"""The load: requests at fixed moments, whatever became of those before, from a process of its own.

``python -m tests.chaos.load ORDER``, where ORDER is a file (the ``Order`` below as JSON). Ends at SIGTERM, when the
requests under way have been answered or given up. Each request is one line in the order's ``record``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to send, how often, to whom."""

    port: int
    key: str
    prefix: str
    rate: float
    record: str
    timeout_s: float = 10.0

    def write(self, path: Path) -> None:
        """Leaves the order for the process that is to carry it out; it holds a key."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))


def body_of(prefix: str, number: int) -> dict[str, Any]:
    """The notification that is number ``number`` of its load: known again at its far end by its text."""
    return {
        "to": {"phone": f"+86138{number:08d}"},
        "channels": ["sms"],
        "content": {"text": f"{prefix}-{number}"},
    }


class Load:
    """Open loop: a request that hangs keeps no other from being sent."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._stopping = asyncio.Event()
        self._record = Path(order.record).open("a", buffering=1)  # noqa: SIM115  (open as long as the process)

    async def run(self) -> None:
        """Sends until SIGTERM."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopping.set)
        began, number, tasks = time.time(), 0, set()
        while not self._stopping.is_set():
            due = began + number / self._order.rate
            if due > time.time():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), due - time.time())
                    break
            task = asyncio.create_task(self._send(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        if tasks:
            await asyncio.wait(tasks, timeout=self._order.timeout_s + 1)

    async def _send(self, number: int, due: float) -> None:
        status, headers = 0, ""
        answer: dict[str, Any] = {}
        # Without an answer the record says 0.
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            status, headers, answer = await asyncio.wait_for(self._request(number), self._order.timeout_s)
        deliveries = answer.get("deliveries") or [{}]
        line = {
            "number": number,
            "at": due,
            "took": time.time() - due,
            "status": status,
            "id": deliveries[0].get("id", ""),
            "retry_after": "retry-after:" in headers.lower(),
        }
        self._record.write(json.dumps(line) + "\n")

    async def _request(self, number: int) -> tuple[int, str, dict[str, Any]]:
        body = json.dumps(body_of(self._order.prefix, number)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._order.port)
        try:
            writer.write(
                f"POST /api/v1/notifications HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Authorization: Bearer {self._order.key}\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {self._order.prefix}-{number}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            content = await reader.read()
            return status, head, json.loads(content) if status == 202 else {}
        finally:
            writer.close()


async def _main(order: Order) -> None:
    await Load(order).run()


if __name__ == "__main__":
    asyncio.run(_main(Order(**json.loads(Path(sys.argv[1]).read_text()))))
