"""Webhooks: signatures another library verifies, failures that are their owner's, addresses that are refused."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import override_settings
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from channels.adapters.webhook import WebhookAdapter
from channels.errors import (
    EndpointSilent,
    EndpointUnavailable,
    MessageRejected,
    ProviderError,
    RecipientRejected,
    Throttled,
)
from channels.types import OutboundMessage
from tests.channels.adapter_contract import AdapterContract
from tests.channels.certificates import make_certificate
from tests.channels.wire import RawServer, dead_port, http_server, message, read_request, response

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()


@pytest.fixture(autouse=True)
def _private_urls_allowed(settings: Any) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": True}


class TestContract(AdapterContract):
    adapter = "webhook"
    channel = "webhook"
    bad_message: ClassVar[dict[str, Any]] = {"to": "ftp://example.com/"}
    secrets: ClassVar[list[str]] = [SECRET]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({"signing_secret": ""}, "signing_secret"),
        ({"signing_secret": "whsec_*"}, "signing_secret"),
        ({"base_url": "x"}, "base_url"),
    ]

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        with http_server(response()) as self.server:
            yield {"signing_secret": SECRET}

    def pointed_at(self, config: dict[str, Any], port: int) -> dict[str, Any]:
        return config

    def message_for(self, port: int, **fields: Any) -> OutboundMessage:
        to = f"http://127.0.0.1:{port or self.server.port}/hook"
        return message(channel="webhook", **{"to": to, **fields})


def post(server: RawServer, config: dict[str, Any] | None = None, **fields: Any) -> Any:
    """What the adapter makes of posting to ``server``: a receipt, or the error it raises."""
    adapter = WebhookAdapter(provider="p", config={"signing_secret": SECRET} if config is None else config)
    try:
        return adapter.send(message(channel="webhook", to=f"{server.url}/hook?key=1", **fields), timeout=5)
    except ProviderError as error:
        return error
    finally:
        adapter.close()


def received(server: RawServer) -> tuple[str, dict[str, str], bytes]:
    head, _blank, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return line, dict(header.split(": ", 1) for header in headers), body


class TestRequest:
    def test_the_signature_verifies_with_the_standard_library_of_the_field(self) -> None:
        one = message(text="你好", subject="s", html="<p>", params={"a": 1}, metadata={"m": [1]})
        with http_server(response()) as server:
            adapter = WebhookAdapter(provider="p", config={"signing_secret": SECRET, "base_url": server.url})
            receipt = adapter.send(message(id=one.id, to="/hook", text="你好", html="<p>", params={"a": 1}), timeout=5)
        line, headers, body = received(server)
        content = Webhook(SECRET).verify(body, headers)
        assert receipt.delivered
        assert line == "POST /hook HTTP/1.1"
        assert headers["webhook-id"] == content["id"] == str(one.id)
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"] == "Goutong"
        assert content["type"] == "notification"
        assert content["data"] == {"subject": "", "text": "你好", "html": "<p>", "params": {"a": 1}, "metadata": {}}

    def test_a_payload_is_the_body_as_it_is(self) -> None:
        with http_server(response()) as server:
            post(server, payload={"type": "delivery.delivered", "data": {"x": 1}})
        assert json.loads(received(server)[2]) == {"type": "delivery.delivered", "data": {"x": 1}}

    def test_a_secret_the_message_brings_goes_before_the_configured_one(self) -> None:
        with http_server(response()) as server:
            post(server, signing_secret=OTHER)
        _line, headers, body = received(server)
        assert Webhook(OTHER).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)

    def test_without_any_secret_the_request_is_unsigned(self) -> None:
        with http_server(response()) as server:
            assert post(server, {}).delivered
        assert "webhook-signature" not in received(server)[1]

    def test_a_secret_that_is_none_rejects_the_message(self) -> None:
        with http_server(response()) as server:
            assert isinstance(post(server, signing_secret="whsec_*"), MessageRejected)
            assert server.connections == 0

    def test_content_that_is_no_json_rejects_the_message(self) -> None:
        with http_server(response()) as server:
            assert isinstance(post(server, params={"x": float("nan")}), MessageRejected)


class TestAnswer:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (301, EndpointUnavailable),
            (400, EndpointUnavailable),
            (401, EndpointUnavailable),
            (404, EndpointUnavailable),
            (410, RecipientRejected),
            (429, Throttled),
            (500, EndpointUnavailable),
            (503, EndpointUnavailable),
            (504, EndpointSilent),
        ],
    )
    def test_no_status_is_the_providers_fault(self, status: int, kind: type[ProviderError]) -> None:
        with http_server(response(status, Retry_After="9")) as server:
            error = post(server)
        assert type(error) is kind
        assert not error.provider_fault

    def test_retry_after_is_kept(self) -> None:
        with http_server(response(503, Retry_After="9")) as server:
            assert post(server).retry_after == 9.0

    def test_a_redirect_is_not_followed(self) -> None:
        with http_server(response()) as elsewhere, http_server(response(302, Location=elsewhere.url)) as server:
            assert isinstance(post(server), EndpointUnavailable)
            assert elsewhere.connections == 0

    def test_a_dead_endpoint_is_not_the_providers_fault(self) -> None:
        adapter = WebhookAdapter(provider="p", config={})
        with pytest.raises(EndpointUnavailable) as caught:
            adapter.send(message(to=f"http://127.0.0.1:{dead_port()}/"), timeout=5)
        assert not caught.value.provider_fault
        assert caught.value.retryable
        assert caught.value.uses_attempt

    def test_a_body_that_breaks_off_after_a_yes_is_still_a_yes(self) -> None:
        with http_server(lambda link: link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")) as server:
            assert post(server).delivered


class TestGuard:
    @pytest.fixture(autouse=True)
    def _private_urls_refused(self, settings: Any) -> None:
        settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": False}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "169.254.169.254"])
    def test_a_private_address_is_refused_before_anything_is_sent(self, host: str) -> None:
        with http_server(response()) as server:
            adapter = WebhookAdapter(provider="p", config={})
            with pytest.raises(RecipientRejected):
                adapter.send(message(to=f"http://{host}:{server.port}/"), timeout=5)
            assert server.connections == 0

    def test_a_name_that_resolves_to_a_private_address_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with http_server(response()) as server:
            resolves_to(monkeypatch, ["127.0.0.1"], server.port)
            adapter = WebhookAdapter(provider="p", config={})
            with pytest.raises(RecipientRejected):
                adapter.send(message(to=f"http://hook.example.com:{server.port}/"), timeout=5)
            assert server.connections == 0

    def test_one_private_address_among_public_ones_condemns_the_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with http_server(response()) as server:
            resolves_to(monkeypatch, ["8.8.8.8", "127.0.0.1"], server.port)
            adapter = WebhookAdapter(provider="p", config={})
            with pytest.raises(RecipientRejected):
                adapter.send(message(to=f"http://hook.example.com:{server.port}/"), timeout=5)
            assert server.connections == 0

    def test_a_name_is_looked_up_once_and_the_connection_goes_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with http_server(response()) as server:
            asked = resolves_to(monkeypatch, ["127.0.0.1"], server.port)
            with override_settings(CHANNELS={"ALLOW_PRIVATE_URLS": True}):
                adapter = WebhookAdapter(provider="p", config={})
                assert adapter.send(message(to=f"http://hook.example.com:{server.port}/"), timeout=5).delivered
        assert asked == ["hook.example.com"]
        assert received(server)[1]["Host"] == f"hook.example.com:{server.port}"


def test_tls_is_verified_for_the_name_and_not_for_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "a.pem", names=["hook.example.com"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked: list[str] = []
    context.sni_callback = lambda _link, name, _context: asked.append(str(name))

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as link:
            read_request(link)
            link.sendall(response())

    with RawServer(talk) as server:
        resolves_to(monkeypatch, ["127.0.0.1"], server.port)
        adapter = WebhookAdapter(provider="p", config={"ca_file": str(certificate)})
        assert adapter.send(message(to=f"https://hook.example.com:{server.port}/"), timeout=5).delivered
    assert asked == ["hook.example.com"]


def resolves_to(monkeypatch: pytest.MonkeyPatch, addresses: list[str], port: int) -> list[str]:
    """Makes every name resolve to ``addresses``, as the DNS of an attacker would; returns the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if not host.endswith(".example.com"):
            return real(host, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked
