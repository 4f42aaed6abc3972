"""Servers that misbehave to the byte, and messages to send them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any
from uuid import UUID, uuid4

from channels.types import OutboundMessage

Talk = Callable[[socket.socket], None]


def message(**fields: Any) -> OutboundMessage:
    """A message to send, an SMS unless the fields say otherwise."""
    ordinary: dict[str, Any] = {
        "id": uuid4(),
        "channel": "sms",
        "priority": "normal",
        "to": "+8613800000000",
        "text": "hello",
        "deadline": datetime.now(UTC) + timedelta(minutes=5),
    }
    return OutboundMessage(**{**ordinary, **fields})


class RawServer:
    """A TCP server on loopback whose side of the conversation is a function. ``connections`` counts them; ``stopping``
    is set when the test is over, for those that do nothing until then."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._talk(connection)

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join()


def http_server(answer: bytes | Talk) -> RawServer:
    """Reads each request whole, keeps it in ``requests``, and writes ``answer`` to it, or has it do what it does."""

    def talk(connection: socket.socket) -> None:
        while request := read_request(connection):
            server.requests.append(request)
            if callable(answer):
                answer(connection)
                return
            connection.sendall(answer)

    server = RawServer(talk)
    return server


def read_request(connection: socket.socket) -> bytes:
    """One HTTP request, headers and body; empty when the other side has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    head, _blank, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def response(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """An HTTP response; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Ends a connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dead_port() -> int:
    """A port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def message_ids(messages: list[OutboundMessage]) -> list[UUID]:
    """The ids, in order."""
    return [one.id for one in messages]
