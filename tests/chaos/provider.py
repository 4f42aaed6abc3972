"""A gateway for short messages that misbehaves on command, in a process of its own: ``python -m tests.chaos.provider``.

It shares no code with the product, and writes down each request as it comes, before it says or withholds anything:
what is in its journal is what a recipient would have got.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import random
import signal
import socket
import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

#: What it does with a request, and whether it has taken the message all the same.
KINDS: Final[dict[str, bool]] = {
    "answer": True,
    "silence": True,  # never answers, and keeps the connection
    "late": True,  # a proper yes, after the client has given up
    "garbage": True,  # bytes that are no HTTP
    "nonsense": True,  # 200 with a page for people where JSON was agreed
    "cut": True,  # a 200 whose body breaks off with a reset
    "reset": True,  # a reset in place of an answer
    "error_inside": False,  # 200, and in the body that it failed
    "hour": False,  # 429 with Retry-After: 3600
    "unavailable": False,
}
_MANNERS: Final = {"kind": "answer", "share": 1.0, "latency_s": 0.1, "late_s": 3.0, "receipts": None, "reports": None}


@dataclass
class Gateway:
    """One provider: its manners, and the journal it writes."""

    journal: Path
    manners: dict[str, Any] = field(default_factory=lambda: dict(_MANNERS))

    def __post_init__(self) -> None:
        self._random = random.Random(7)
        self._postman = Postman(self._random)
        self._answers: dict[str, Callable[[asyncio.StreamWriter, str], None]] = {
            "answer": lambda writer, name: _write(writer, 200, {"code": 0, "data": {"id": name}}),
            "late": lambda writer, name: _write(writer, 200, {"code": 0, "data": {"id": name}}),
            "garbage": lambda writer, _name: writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n"),
            "nonsense": lambda writer, _name: _write(writer, 200, "<html>Welcome to nginx!</html>"),
            "cut": lambda writer, _name: _cut(writer),
            "reset": lambda writer, _name: _reset(writer),
            "error_inside": lambda writer, _name: _write(writer, 200, {"code": 500, "message": "system busy"}),
            "hour": lambda writer, _name: _write(writer, 429, {"code": 429}, "Retry-After: 3600\r\n"),
            "unavailable": lambda writer, _name: _write(writer, 503, {"code": 503}),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            while await self._serve_one(reader, writer):
                await writer.drain()
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _version = head.split("\r\n", 1)[0].split(" ")
        lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        body = json.loads(await reader.readexactly(int(lengths[0])) if lengths else b"{}")
        if method == "PUT" and path == "/manners":
            self.manners = {**_MANNERS, **body}
            _write(writer, 200, self.manners)
            return True
        if method == "PUT" and path == "/journal":
            self.journal = Path(body["path"])
            _write(writer, 200, body)
            return True
        return await self._take(body, writer)

    async def _take(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        manners = self.manners
        kind = manners["kind"] if self._random.random() < manners["share"] else "answer"
        name = uuid.uuid4().hex
        self._note(message, kind)
        if manners["receipts"] and kind == "answer":
            self._postman.report(message["id"], name, self.journal.with_suffix(".receipts"), **manners["receipts"])
        if manners["reports"]:
            self._postman.report_plainly(message["id"], **manners["reports"])
        if kind == "silence":
            await asyncio.sleep(3600)
        await asyncio.sleep(manners["late_s"] if kind == "late" else manners["latency_s"])
        self._answers[kind](writer, name)
        return kind not in ("garbage", "cut", "reset")

    def _note(self, message: dict[str, Any], kind: str) -> None:
        entry = {"at": time.time(), "id": message["id"], "text": message["text"], "kind": kind, "taken": KINDS[kind]}
        with self.journal.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")


class Postman:
    """Reports what became of messages. Badly: each report twice, on-its-way after delivered, some before the message
    itself was answered, and of some messages first one thing and then the contrary."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, message: str, name: str, journal: Path, *, url: str, secret: str) -> None:
        """Has the message that the sender calls ``message``, and we ``name``, reported; writes down what is true."""
        drawn = self._random.random()
        said = ["DELIVRD"] if drawn < 0.8 else ["UNDELIV"] if drawn < 0.9 else ["UNDELIV", "DELIVRD"]
        with journal.open("ab") as file:
            file.write(json.dumps({"id": message, "said": said}).encode() + b"\n")
        reports = [*said, *said, "ENROUTE", "ENROUTE"]
        self._random.shuffle(reports)
        for status in reports:
            delay_s = 0.0 if self._random.random() < 0.2 else self._random.uniform(0.0, 2.0)
            self._send({"sid": name, "stat": status}, delay_s, url, secret)

    def report_plainly(self, message: str, *, url: str, secret: str) -> None:
        """Has it reported as delivered, once, after a moment, by the id that the sender gave it."""
        self._send({"sid": message, "stat": "DELIVRD"}, self._random.uniform(1.5, 2.5), url, secret)

    def _send(self, report: dict[str, str], delay_s: float, url: str, secret: str) -> None:
        task = asyncio.create_task(self._bring(report, delay_s, url, secret))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(self, report: dict[str, str], delay_s: float, url: str, secret: str) -> None:
        body = json.dumps(report).encode()
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        await asyncio.sleep(delay_s)
        while True:  # as a provider does, until somebody takes it
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                if await _post(url, body, signature) == 200:
                    return
            await asyncio.sleep(0.5)


async def _post(url: str, body: bytes, signature: str) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = f"POST {parts.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Signature: {signature}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
    finally:
        writer.close()


def _write(writer: asyncio.StreamWriter, status: int, content: Any, headers: str = "") -> None:
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    writer.write(head.encode() + body)


def _cut(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{"code":')
    asyncio.get_running_loop().call_later(0.05, _reset, writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _run(port: int, journal: Path) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    gateway = Gateway(journal)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await gateway.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await stopping.wait()
    server.close()
    for task in tasks:
        task.cancel()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.port, arguments.journal))
