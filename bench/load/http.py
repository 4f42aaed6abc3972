"""A closed loop of HTTP requests over kept connections: ``python -m bench.load.http`` reads a plan from its standard
input (JSON: see ``Plan``) and prints what came of it (JSON: see ``Tally.as_json``). SIGTERM ends it before its time.

Written to load the machine as little as it can: requests are bytes made beforehand, of answers only the status, the
length and, where it is asked for, the body are looked at.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from uuid import uuid4

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_CHUNKED: Final = -1
_LAST_CHUNK: Final = b"0\r\n\r\n"
#: Stands in a plan's headers for something that no other request has.
UNIQUE: Final = "{unique}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask, how many at a time, and for how long. With ``requests`` it ends after so many; with ``every_s`` they
    begin that far apart (and one connection will do)."""

    port: int
    path: str
    body: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 16
    warm_up_s: float = 0.0
    seconds: float = 5.0
    requests: int = 0
    every_s: float = 0.0
    keep_bodies: bool = False


@dataclass(slots=True)
class Tally:
    """What came of it. Moments are those of the wall clock, so that other processes' can be compared."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    begun_at: list[float] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the process that asked."""
        return {**asdict(self), "statuses": {str(status): count for status, count in self.statuses.items()}}


class _Connection(asyncio.Protocol):
    """One kept connection: asks, waits for the whole answer, asks again."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = bytearray()
        self._missing: int | None = None
        self._status = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._missing is None and not self._read_head():
            return
        if self._missing == _CHUNKED:
            if self._buffer.endswith(_LAST_CHUNK):
                self._answered(bytes(self._buffer))
        elif len(self._buffer) >= (self._missing or 0):
            self._answered(bytes(self._buffer[: self._missing]))

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = bytes(self._buffer[: end + 2]).lower()
        del self._buffer[: end + len(_HEAD_END)]
        self._status = int(head[9:12])
        at = head.find(_LENGTH)
        self._missing = _CHUNKED if at < 0 else int(head[at + len(_LENGTH) : head.index(b"\r\n", at)])
        return True

    def _answered(self, body: bytes) -> None:
        self._load.count(self._began, self._wall, self._status, body)
        self._buffer.clear()
        self._missing = None
        pause = self._load.pause(self._began)
        if pause > 0:
            asyncio.get_running_loop().call_later(pause, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        if self._load.over():
            self._transport.close()
            return
        self._began, self._wall = time.perf_counter(), time.time()
        self._transport.write(self._load.request())


class _Load:
    """The plan under way."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tally = Tally()
        body = plan.body.encode()
        headers = {"Host": "127.0.0.1", "Content-Type": "application/json", **plan.headers}
        lines = [f"{plan.method} {plan.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + _HEAD_END
        self._before, self._mark, self._after = (head + body).partition(UNIQUE.encode())

    def request(self) -> bytes:
        """The next request's bytes."""
        if not self._mark:
            return self._before
        return b"%b%b%b" % (self._before, uuid4().hex.encode(), self._after)

    def count(self, began: float, wall: float, status: int, body: bytes) -> None:
        """Takes note of an answer, unless it belongs to the warm-up."""
        if began < self._measure_from:
            return
        self._tally.statuses[status] += 1
        self._tally.latencies_s.append(time.perf_counter() - began)
        self._tally.begun_at.append(wall)
        if self._plan.keep_bodies:
            self._tally.bodies.append(body.decode())

    def pause(self, began: float) -> float:
        """How long to wait before the next request on the same connection."""
        return self._plan.every_s - (time.perf_counter() - began) if self._plan.every_s else 0.0

    def over(self) -> bool:
        """Whether it is time to stop."""
        if self._plan.requests:
            return len(self._tally.latencies_s) >= self._plan.requests
        return time.perf_counter() >= self._until

    def stop(self) -> None:
        """The time is up: nothing more is asked."""
        self._until = 0.0

    async def run(self) -> Tally:
        """Asks until the time is up."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        began = time.perf_counter()
        self._measure_from = began + self._plan.warm_up_s
        self._until = self._measure_from + self._plan.seconds
        made = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.port)
            for _ in range(self._plan.connections)
        ]
        await asyncio.gather(*(protocol.ended for _transport, protocol in made))
        self._tally.seconds = time.perf_counter() - max(began, self._measure_from)
        return self._tally


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    tally = asyncio.run(_Load(plan).run())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what was found is said to its end
    json.dump(tally.as_json(), sys.stdout)


if __name__ == "__main__":
    main()
