"""The sandbox's HTTP side: gateways for SMS, push, IM and voice, a webhook receiver, and the desk where behaviour is
set and arrivals are read.

``POST /<channel>/<name>/send`` takes JSON, a form, or (with GET) a query; ``POST /webhook/<name>`` takes anything.
A message with ``report_as`` is reported to the platform, as of the provider of that name, with ``report_ours`` by the
id that it came with. ``PUT``, ``GET`` and
``DELETE /behaviour/<name>``; ``GET`` and ``DELETE /messages?name=&limit=``; ``GET /``.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from channels.names import CHANNELS
from channels.sandbox import page, reporter, reports
from channels.sandbox.behaviour import Behaviour, ErrorCode, Verdict
from channels.sandbox.reporter import Pending
from channels.sandbox.store import BODY_KEPT, NAME, Arrival, Store

_MAX_BODY: Final = 1024 * 1024
_IDLE_S: Final = 65.0
#: How a gateway says each error: status, and the code in the body.
_ERRORS: Final[dict[ErrorCode, tuple[int, int]]] = {
    "unavailable": (503, 2001),
    "throttled": (429, 2002),
    "misconfigured": (401, 2003),
    "recipient_rejected": (422, 1001),
    "message_rejected": (422, 1002),
}


class SandboxHttpServer(ThreadingHTTPServer):
    """Serves one Store."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], store: Store) -> None:
        self.store = store
        self.stopping = threading.Event()
        self.reporter = reporter.shared()
        self._aborted: set[int] = set()
        super().__init__(address, _Handler)

    def abort(self, connection: socket.socket) -> None:
        """Has ``connection`` reset, instead of closed, when its handler ends."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._aborted.add(connection.fileno())

    def shutdown_request(self, request: Any) -> None:
        """Closes a connection, politely unless it was aborted."""
        if request.fileno() in self._aborted:
            self._aborted.discard(request.fileno())
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what a sandbox is for: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: SandboxHttpServer
    protocol_version = "HTTP/1.1"
    server_version = "GoutongSandbox"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """The page, the desk's readings, and gateways that take a query."""
        self._route("GET")

    def do_POST(self) -> None:
        """Messages."""
        self._route("POST")

    def do_PUT(self) -> None:
        """Behaviour."""
        self._route("PUT")

    def do_DELETE(self) -> None:
        """Back to good behaviour; forgotten messages."""
        self._route("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Silent: requests hold addresses."""

    def _route(self, method: str) -> None:
        body = self._read_body()
        if body is None:
            return
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        match parts.path.strip("/").split("/"):
            case [""] if method == "GET":
                self._page()
            case ["healthz"] if method == "GET":
                self._answer(200, {"status": "ok"})
            case ["messages"] if method in ("GET", "DELETE"):
                self._messages(method, query)
            case ["behaviour", name] if NAME.fullmatch(name) and method in ("GET", "PUT", "DELETE"):
                self._behaviour(method, name, body)
            case ["webhook", name] if NAME.fullmatch(name) and method in ("POST", "PUT"):
                self._take("webhook", name, body, query)
            case [channel, name, "send"] if channel in CHANNELS and NAME.fullmatch(name) and method != "DELETE":
                self._take(channel, name, body, query)
            case _:
                self._answer(404, {"error": "there is nothing here"})

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdigit():
            self._refuse(411, "write a Content-Length")
            return None
        if int(length) > _MAX_BODY:
            self._refuse(413, "that is too long")
            return None
        return self.rfile.read(int(length))

    def _refuse(self, status: int, detail: str) -> None:
        self.close_connection = True
        self._answer(status, {"error": detail})

    def _page(self) -> None:
        text = page.render(self.server.store, accept_language=self.headers.get("Accept-Language", ""))
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        self._write(200, text.encode(), "text/html; charset=utf-8", headers)

    def _messages(self, method: str, query: Mapping[str, str]) -> None:
        name = query.get("name", "")
        if method == "DELETE":
            self.server.store.forget(name)
            self._answer(200, {"messages": []})
            return
        limit = query.get("limit", "1000")
        found = self.server.store.messages(name, limit=min(int(limit) if limit.isdigit() else 1000, 10_000))
        self._answer(200, {"messages": [arrival.as_json() for arrival in found]})

    def _behaviour(self, method: str, name: str, body: bytes) -> None:
        if method == "PUT":
            try:
                self.server.store.set_behaviour(name, Behaviour.model_validate_json(body))
            except ValidationError as error:
                faults = [{"path": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in error.errors()]
                self._answer(422, {"errors": faults})
                return
        elif method == "DELETE":
            self.server.store.set_behaviour(name, None)
        self._answer(200, self.server.store.behaviour(name).model_dump())

    def _take(self, channel: str, name: str, body: bytes, query: Mapping[str, str]) -> None:
        verdict = self.server.store.decide(name)
        arrival = self._arrival(channel, name, body, query)
        self.server.stopping.wait(verdict.after_s)
        if verdict.taken:
            try:
                self.server.store.take(arrival)
            except OSError:
                self._answer(503, {"code": 2001, "message": "the journal can't be written"})
                return
            self._report(arrival)
        self._say(verdict, arrival)

    def _report(self, arrival: Arrival) -> None:
        """Has a message reported, where its sender asked for that: ``report_as`` is what we are called there."""
        asked = arrival.data.get("report_as") if isinstance(arrival.data, dict) else None
        behaviour = self.server.store.behaviour(arrival.name)
        if not (isinstance(asked, str) and NAME.fullmatch(asked) and behaviour.receipts):
            return
        undelivered = self.server.store.draw() < behaviour.undelivered_rate
        secret = reports.shared_secret(asked)
        name = arrival.id if arrival.data.get("report_ours") is True else arrival.provider_id
        pending = Pending(provider=asked, secret=secret, id=name, delivered=not undelivered)
        self.server.reporter.add(pending, delay_s=behaviour.receipt_delay_ms / 1000)

    def _arrival(self, channel: str, name: str, body: bytes, query: Mapping[str, str]) -> Arrival:
        data = _read(body, self.headers.get("Content-Type", "")) if body else dict(query)
        known = data if isinstance(data, dict) else {}
        return Arrival(
            name=name,
            channel=channel,
            id=str(self.headers.get("webhook-id") or known.get("id") or ""),
            provider_id=f"sandbox-{uuid.uuid4()}",
            to=str(known.get("to") or (self.path if channel == "webhook" else "")),
            text=str(known.get("text") or ""),
            at=datetime.now(UTC),
            headers={key.lower(): value for key, value in self.headers.items() if key.lower() != "authorization"},
            body=body[:BODY_KEPT].decode("utf-8", "replace"),
            data=data if len(body) <= BODY_KEPT else None,
        )

    def _say(self, verdict: Verdict, arrival: Arrival) -> None:
        behaviour = self.server.store.behaviour(arrival.name)
        wait = {} if behaviour.retry_after is None else {"Retry-After": f"{behaviour.retry_after:.0f}"}
        if verdict.kind == "hang":
            self.server.stopping.wait()
            self.close_connection = True
        elif verdict.kind == "garbage":
            self.wfile.write(b"\x00\x01this is not HTTP\r\n\r\n")
            self.close_connection = True
        elif verdict.kind == "reset" or (verdict.kind == "error" and verdict.error == "outcome_unknown"):
            self.server.abort(self.connection)
            self.close_connection = True
        elif verdict.kind == "status":
            status = behaviour.status or 500
            self._answer(status, {"code": status, "message": "as it was told"}, wait)
        elif verdict.kind == "error":
            status, code = _ERRORS[verdict.error]
            self._answer(status, {"code": code, "message": verdict.error}, wait)
        else:
            self._answer(200, {"code": 0, "message": "ok", "data": {"id": arrival.provider_id}})

    def _answer(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        self._write(status, json.dumps(content, ensure_ascii=False).encode(), "application/json", headers or {})

    def _write(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)
        self.wfile.flush()


def _read(body: bytes, content_type: str) -> Any:
    """What a request holds: JSON where it is, else a form's fields, else nothing."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        if "form" in content_type:
            fields = parse_qs(body.decode("utf-8", "replace"))
            return {key: values[-1] for key, values in fields.items()}
        return None
