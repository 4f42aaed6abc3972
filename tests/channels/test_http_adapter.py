"""The HTTP client: what each way of failing means, and that nothing outlasts the attempt."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from channels.adapters.http import MAX_ANSWER_BYTES, HttpClient, HttpConfig, Response, error_for, retry_after
from channels.errors import (
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    Throttled,
    Unavailable,
)
from tests.channels.adapter_contract import GRACE_S, TIMEOUT_S
from tests.channels.certificates import make_certificate
from tests.channels.wire import RawServer, dead_port, http_server, read_request, reset, response


def client(**config: object) -> HttpClient:
    return HttpClient(HttpConfig.model_validate(config), concurrency=4)


def post(server_url: str, *, timeout: float = 5, body: bytes = b"{}", matters: bool = True) -> Response:
    made = client()
    try:
        return made.request("POST", server_url, headers={}, body=body, timeout=timeout, body_matters=matters)
    finally:
        made.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Misconfigured),
        (302, Misconfigured),
        (308, Misconfigured),
        (400, MessageRejected),
        (401, Misconfigured),
        (402, Misconfigured),
        (403, Misconfigured),
        (404, Misconfigured),
        (405, Misconfigured),
        (407, Misconfigured),
        (408, Unavailable),
        (409, MessageRejected),
        (413, MessageRejected),
        (422, MessageRejected),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, OutcomeUnknown),
        (524, OutcomeUnknown),
    ],
)
def test_a_status_means_what_the_table_says(status: int, kind: type[ProviderError]) -> None:
    assert type(error_for(Response(status, {}, b""))) is kind


def test_a_redirect_is_not_followed() -> None:
    with http_server(response()) as elsewhere, http_server(response(307, b"", Location=elsewhere.url)) as server:
        assert post(server.url).status == 307
        assert elsewhere.connections == 0


def test_a_refused_connection_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        post(f"http://127.0.0.1:{dead_port()}")


def test_a_name_that_does_not_exist_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        post("http://nobody.invalid/")


def test_a_server_without_tls_is_unavailable() -> None:
    with http_server(response()) as server, pytest.raises(Unavailable):
        post(server.url.replace("http", "https"), timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(reset, id="reset"),
        pytest.param(lambda connection: connection.close(), id="closed"),
        pytest.param(lambda connection: connection.sendall(b"\x00garbage\r\n\r\n"), id="garbage"),
        pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 2"), id="half a status line"),
        pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000), id="long header"),
        pytest.param(
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), id="half a body"
        ),
        pytest.param(
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            id="half a chunk",
        ),
        pytest.param(
            lambda connection: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc"
            ),
            id="bad gzip",
        ),
    ],
)
def test_once_the_request_is_out_a_broken_answer_is_an_unknown_outcome(talk: Callable[[socket.socket], None]) -> None:
    with http_server(talk) as server, pytest.raises(OutcomeUnknown):
        post(server.url)


def test_the_status_is_verdict_enough_where_the_body_does_not_matter() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    with http_server(talk) as server:
        assert post(server.url, matters=False).ok


def test_the_status_is_verdict_enough_where_it_is_no_yes() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nhalf")

    with http_server(talk) as server:
        assert post(server.url).status == 500


def test_a_connection_that_breaks_before_the_request_is_out_is_unavailable() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(100)
        reset(connection)

    with RawServer(talk) as server, pytest.raises(Unavailable):
        post(server.url, body=b"x" * 30_000_000)


def test_a_server_that_reads_nothing_is_unavailable_within_the_timeout() -> None:
    with RawServer(lambda connection: server.stopping.wait(30) and None) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            post(server.url, body=b"x" * 30_000_000, timeout=TIMEOUT_S)
        assert time.monotonic() - began < TIMEOUT_S + GRACE_S


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _number in range(400):
        connection.sendall(b"X")
        time.sleep(0.05)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
    for _number in range(400):
        connection.sendall(b"X")
        time.sleep(0.05)


def keep_continuing(connection: socket.socket) -> None:
    for _number in range(400):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("talk", [drip, drip_body, keep_continuing])
def test_a_server_that_drips_gets_no_more_time_than_one_that_hangs(talk: Callable[[socket.socket], None]) -> None:
    with http_server(talk) as server:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            post(server.url, timeout=TIMEOUT_S)
        assert time.monotonic() - began < TIMEOUT_S + GRACE_S


def test_no_more_than_the_limit_of_an_answer_is_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES * 20)
    with http_server(lambda connection: connection.sendall(endless)) as server:
        assert len(post(server.url).body) == MAX_ANSWER_BYTES


def test_connections_are_used_again() -> None:
    with http_server(response(200, b'{"code": 0}')) as server:
        made = client()
        for _number in range(5):
            made.request("POST", server.url, headers={}, body=b"{}", timeout=5)
        made.close()
        assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_the_server_has_closed_is_not_used_again() -> None:
    def talk(connection: socket.socket) -> None:
        server.requests.append(read_request(connection))
        connection.sendall(response(200, b"ok"))

    with RawServer(talk) as server:
        made = client()
        for _number in range(3):
            made.request("POST", server.url, headers={}, body=b"{}", timeout=5)
            time.sleep(0.05)  # not a wait for a result: the server's closing has to be on its way
        made.close()
        assert server.connections == 3


def tls_server(certificate: Path, answer: bytes | Callable[[socket.socket], None]) -> RawServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as link:
            while request := read_request(link):
                server.requests.append(request)
                if callable(answer):
                    answer(link)
                    return
                link.sendall(answer)

    server = RawServer(talk)
    return server


def test_tls_is_verified_against_the_configured_authority(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "a.pem", names=["127.0.0.1"])
    other = make_certificate(tmp_path / "b.pem", names=["127.0.0.1"])
    with tls_server(certificate, response()) as server:
        trusting, doubting = client(ca_file=str(certificate)), client(ca_file=str(other))
        url = server.url.replace("http", "https")
        for _number in range(3):
            assert trusting.request("POST", url, headers={}, body=b"{}", timeout=5).ok
        assert server.connections == 1
        with pytest.raises(Unavailable, match="TLS"):
            doubting.request("POST", url, headers={}, body=b"{}", timeout=5)
        trusting.close()
        doubting.close()


def test_a_certificate_for_another_name_is_not_accepted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "a.pem", names=["other.example"])
    with tls_server(certificate, response()) as server:
        made = client(ca_file=str(certificate))
        with pytest.raises(Unavailable, match="TLS"):
            made.request("POST", server.url.replace("http", "https"), headers={}, body=b"{}", timeout=5)
        assert not server.requests


@pytest.mark.parametrize("talk", [drip, drip_body])
def test_dripping_through_tls_gains_nothing(talk: Callable[[socket.socket], None], tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "a.pem", names=["127.0.0.1"])
    with tls_server(certificate, talk) as server:
        made = client(ca_file=str(certificate))
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            made.request("POST", server.url.replace("http", "https"), headers={}, body=b"{}", timeout=TIMEOUT_S)
        assert time.monotonic() - began < TIMEOUT_S + GRACE_S


def test_more_threads_than_places_wait_for_one(tmp_path: Path) -> None:
    with http_server(response()) as server:
        made = HttpClient(HttpConfig(), concurrency=2)
        answers: list[Response] = []

        def ask() -> None:
            answers.append(made.request("POST", server.url, headers={}, body=b"{}", timeout=10))

        threads = [threading.Thread(target=ask) for _number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made.close()
        assert len(answers) == 12
        assert server.connections <= 2


def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port()}")
    with http_server(response()) as server:
        assert post(server.url).ok


def test_a_configured_proxy_is_used() -> None:
    with http_server(response()) as proxy:
        made = client(proxy=proxy.url)
        made.request("POST", "http://somewhere.invalid/path", headers={}, body=b"{}", timeout=5)
        made.close()
    assert proxy.requests[0].startswith(b"POST http://somewhere.invalid/path HTTP/1.1")


@pytest.mark.parametrize("url", ["nonsense", "ftp://x.test", "http://", "http://[::1", "http://x.test:99999/"])
def test_a_url_that_is_none_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured):
        post(url)


def test_credentials_in_a_url_are_not_told() -> None:
    with pytest.raises(Unavailable) as caught:
        post(f"http://user:s3cret@127.0.0.1:{dead_port()}/key-in-path")
    assert "s3cret" not in str(caught.value)
    assert "key-in-path" not in str(caught.value)


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("30", 30.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("999999999999", 86_400.0),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 86_400.0),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("٣", None),
        ("", None),
        ("9" * 5000, 86_400.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_kept_sane(asked: str, wait: float | None) -> None:
    assert retry_after({"retry-after": asked}, now=NOW)[0] == wait


def test_what_was_asked_stays_in_the_text() -> None:
    error = error_for(Response(429, {"retry-after": "123456789"}, b""))
    assert error.retry_after == 86_400.0
    assert "123456789" in error.detail


def test_a_503_with_retry_after_keeps_it() -> None:
    error = error_for(Response(503, {"retry-after": "7"}, b""))
    assert (type(error), error.retry_after) == (Unavailable, 7.0)


def test_an_answer_that_announces_more_than_we_read_is_not_waited_for() -> None:
    def promise(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{")
        server.stopping.wait(30)

    with http_server(promise) as server:
        answer = post(server.url)
    assert (answer.status, answer.body) == (200, b"")
