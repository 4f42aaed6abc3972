"""A running web whose clients send their bodies as slowly as they can, or not to the end."""

from __future__ import annotations

import http.client
import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import WaitFor
from tests.stack.live import LiveStack

pytestmark = pytest.mark.xdist_group("live_stack")

ORDER = {"to": {"user_id": "u1"}, "channels": ["inapp"], "content": {"text": "t"}}
#: As many as the web has threads, and half as many again.
SLOW = 24


@pytest.fixture
def keys(live_stack: LiveStack) -> dict[str, str]:
    """Of two applications."""
    file = live_stack.data_dir / "slow-bodies.yaml"
    file.write_text(json.dumps({"applications": [{"name": "slow"}, {"name": "quick"}]}))
    assert live_stack.manage("apply_config", str(file)).returncode == 0
    return {name: live_stack.manage("create_api_key", name).stdout.strip() for name in ("slow", "quick")}


def ask(live_stack: LiveStack, key: str, method: str, path: str, body: object = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", live_stack.port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def strangers(live_stack: LiveStack) -> Iterator[None]:
    """Nobody knows them, and they never send what they announced."""
    head = "POST /api/v1/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    with ExitStack() as opened:
        for _ in range(SLOW):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", live_stack.port)))
            connection.sendall(head.encode())
        yield


@pytest.fixture
def slow_bodies(live_stack: LiveStack, keys: dict[str, str]) -> Iterator[None]:
    head = (
        f"POST /api/v1/notifications HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys['slow']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with ExitStack() as opened:
        for _ in range(SLOW):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", live_stack.port)))
            connection.sendall(head.encode())
        yield


def send_raw(live_stack: LiveStack, key: str, path: str, framing: str, kind: str, body: bytes) -> bytes:
    """The first line of the answer to a body that ends where it should not."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {kind}\r\n{framing}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live_stack.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()


@pytest.mark.parametrize("end", [b"", b"ZZ\r\n", b"10\r\n"])
def test_json_in_chunks_that_break_off_is_not_accepted(live_stack: LiveStack, keys: dict[str, str], end: bytes) -> None:
    text = json.dumps(ORDER).encode()[:-1]

    answer = send_raw(
        live_stack,
        keys["quick"],
        "/api/v1/notifications",
        "Transfer-Encoding: chunked",
        "application/json",
        b"%x\r\n%s\r\n%s" % (len(text), text, end),
    )

    assert b" 400 " in answer


def test_lines_that_end_before_their_length_are_not_accepted(live_stack: LiveStack, keys: dict[str, str]) -> None:
    common = {name: value for name, value in ORDER.items() if name != "to"}
    lines = json.dumps(common) + "\n" + json.dumps({"to": ORDER["to"]}) + "\n"

    answer = send_raw(
        live_stack,
        keys["quick"],
        "/api/v1/notifications/batch",
        f"Content-Length: {len(lines) + 50}",
        "application/x-ndjson",
        lines.encode(),
    )

    assert b" 400 " in answer


def test_slow_bodies_of_one_application_leave_the_web_to_the_others(
    live_stack: LiveStack, keys: dict[str, str], slow_bodies: None, wait_for: WaitFor
) -> None:
    wait_for(lambda: ask(live_stack, keys["quick"], "POST", "/api/v1/notifications", ORDER) == 202, timeout=30)
    for _ in range(10):
        assert ask(live_stack, keys["quick"], "POST", "/api/v1/notifications", ORDER) == 202
        assert ask(live_stack, keys["slow"], "GET", "/api/v1/channels") == 200


def test_a_refusal_reaches_who_is_still_sending_and_leaves_the_connection_whole(live_stack: LiveStack) -> None:
    body = json.dumps(ORDER).encode()
    head = (
        "POST /api/v1/notifications HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer nobody\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", live_stack.port), timeout=20) as connection:
        connection.sendall(head)
        # An answer that does not wait for the body would be there by now, and the connection closed.
        select.select([connection], [], [], 0.3)
        connection.sendall(body)
        answers = connection.makefile("rb")
        assert b" 401 " in answers.readline()
        length = 0
        while (line := answers.readline().strip().lower()) != b"":
            length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
        answers.read(length)

        connection.sendall(head + body)
        assert b" 401 " in answers.readline()


def test_strangers_who_do_not_send_their_bodies_leave_the_web_to_the_others(
    live_stack: LiveStack, keys: dict[str, str], strangers: None, wait_for: WaitFor
) -> None:
    wait_for(lambda: ask(live_stack, keys["quick"], "POST", "/api/v1/notifications", ORDER) == 202, timeout=30)
    for _ in range(10):
        assert ask(live_stack, keys["quick"], "POST", "/api/v1/notifications", ORDER) == 202
