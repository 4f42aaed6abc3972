"""The provider sandbox server: takes messages, misbehaves as told, remembers, and shows what came."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from channels import registry
from channels.adapters.http_sms import HttpSmsAdapter
from channels.adapters.sandbox import SandboxAdapter
from channels.adapters.smtp import SmtpAdapter
from channels.errors import (
    EndpointUnavailable,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.sandbox import reports, store
from channels.sandbox.behaviour import Behaviour
from channels.sandbox.reporter import Pending, Reporter
from channels.sandbox.server import Sandbox
from channels.types import CallbackRequest
from tests.channels.wire import message
from tests.conftest import WaitFor

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(journal=tmp_path / "journals") as server:
        yield server


def call(sandbox: Sandbox, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    with urllib3.PoolManager(retries=False) as http:
        answer = http.request(method, sandbox.url + path, body=content, headers=headers, timeout=10)
        return answer.status, json.loads(answer.data)


def send(sandbox: Sandbox, name: str = "a", *, timeout: float = 5, **fields: Any) -> Any:
    """What the generic gateway's adapter makes of the sandbox's answer."""
    config = {
        "url": f"{sandbox.url}/sms/{name}/send",
        "success": {"path": "code", "equals": 0},
        "message_id": "data.id",
        "errors": {"recipient": [1001], "message": [1002]},
    }
    adapter = HttpSmsAdapter(provider="p", config=config)
    try:
        return adapter.send(message(**fields), timeout=timeout)
    except ProviderError as error:
        return error
    finally:
        adapter.close()


def email(sandbox: Sandbox, *, timeout: float = 5, **fields: Any) -> Any:
    """What the SMTP adapter makes of the sandbox's answer."""
    config = {"host": "127.0.0.1", "port": sandbox.smtp_port, "security": "none", "from_email": "a@example.com"}
    adapter = SmtpAdapter(provider="p", config=config)
    try:
        return adapter.send(message(channel="email", **{"to": "bob@example.com", **fields}), timeout=timeout)
    except ProviderError as error:
        return error
    finally:
        adapter.close()


def test_a_gateway_takes_a_message_and_gives_it_an_id(sandbox: Sandbox) -> None:
    one = message(text="你好")
    receipt = send(sandbox, id=one.id, text="你好")
    (arrival,) = call(sandbox, "GET", "/messages?name=a")[1]["messages"]
    assert arrival["provider_id"] == receipt.provider_message_id
    assert (arrival["id"], arrival["to"], arrival["text"]) == (str(one.id), "+8613800000000", "你好")


def test_a_gateway_answers_as_such_gateways_do(sandbox: Sandbox) -> None:
    status, answer = call(sandbox, "POST", "/sms/a/send", {"to": "+1", "text": "x"})
    assert (status, answer["code"], set(answer["data"])) == (200, 0, {"id"})


def test_a_form_and_a_query_are_understood_too(sandbox: Sandbox) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    call(sandbox, "POST", "/push/a/send", b"to=tok%20en&text=hi", **form)
    call(sandbox, "GET", "/im/a/send?to=me&text=ho")
    arrivals = call(sandbox, "GET", "/messages?name=a")[1]["messages"]
    assert [(one["channel"], one["to"], one["text"]) for one in arrivals] == [
        ("im", "me", "ho"),
        ("push", "tok en", "hi"),
    ]


def test_a_webhook_is_kept_with_its_headers_and_its_body_to_the_letter(sandbox: Sandbox) -> None:
    call(sandbox, "POST", "/webhook/w", b'{"a":  1}', **{"webhook-id": "msg_1", "Authorization": "Bearer x"})
    (arrival,) = call(sandbox, "GET", "/messages?name=w")[1]["messages"]
    assert (arrival["id"], arrival["body"], arrival["data"]) == ("msg_1", '{"a":  1}', {"a": 1})
    assert arrival["headers"]["webhook-id"] == "msg_1"
    assert "authorization" not in arrival["headers"]


def test_mail_is_taken_by_smtp(sandbox: Sandbox) -> None:
    one = message(channel="email")
    email(sandbox, id=one.id, subject="主题", text="hello", html="<p>hello")
    (arrival,) = call(sandbox, "GET", "/messages?name=smtp")[1]["messages"]
    assert (arrival["id"], arrival["channel"], arrival["to"]) == (str(one.id), "email", "bob@example.com")
    assert arrival["text"].splitlines() == ["主题", "hello"]


@pytest.mark.parametrize(
    ("behaviour", "kind", "taken"),
    [
        ({"error": "unavailable"}, Unavailable, 0),
        ({"error": "throttled", "retry_after": 7}, Throttled, 0),
        ({"error": "recipient_rejected"}, RecipientRejected, 0),
        ({"error": "message_rejected"}, MessageRejected, 0),
        ({"error": "misconfigured"}, Misconfigured, 0),
        ({"error": "outcome_unknown"}, OutcomeUnknown, 1),
        ({"status": 502}, Unavailable, 0),
        ({"status": 301}, Misconfigured, 0),
        ({"hang": True}, OutcomeUnknown, 1),
        ({"garbage": True}, OutcomeUnknown, 1),
        ({"reset": True}, OutcomeUnknown, 1),
    ],
)
def test_a_gateway_misbehaves_as_told(
    sandbox: Sandbox, behaviour: dict[str, Any], kind: type[ProviderError], taken: int
) -> None:
    assert call(sandbox, "PUT", "/behaviour/a", behaviour)[0] == 200
    error = send(sandbox, timeout=0.5)
    assert type(error) is kind
    assert error.retry_after == behaviour.get("retry_after")
    assert len(sandbox.store.messages("a")) == taken
    call(sandbox, "DELETE", "/behaviour/a")
    assert not isinstance(send(sandbox), ProviderError)


@pytest.mark.parametrize(
    ("behaviour", "kind", "taken"),
    [
        ({"error": "unavailable"}, Unavailable, 0),
        ({"error": "throttled"}, EndpointUnavailable, 0),
        ({"error": "recipient_rejected"}, RecipientRejected, 0),
        ({"error": "message_rejected"}, MessageRejected, 0),
        ({"error": "misconfigured"}, Misconfigured, 0),
        ({"error": "outcome_unknown"}, OutcomeUnknown, 1),
        ({"hang": True}, OutcomeUnknown, 1),
        ({"garbage": True}, OutcomeUnknown, 1),
        ({"reset": True}, OutcomeUnknown, 1),
    ],
)
def test_the_mail_server_misbehaves_as_told(
    sandbox: Sandbox, behaviour: dict[str, Any], kind: type[ProviderError], taken: int
) -> None:
    call(sandbox, "PUT", "/behaviour/smtp", behaviour)
    assert type(email(sandbox, timeout=1)) is kind
    assert len(sandbox.store.messages("smtp")) == taken
    call(sandbox, "DELETE", "/behaviour/smtp")
    assert not isinstance(email(sandbox), ProviderError)


def test_behaviour_is_per_name(sandbox: Sandbox) -> None:
    call(sandbox, "PUT", "/behaviour/a", {"error": "unavailable"})
    assert isinstance(send(sandbox, "a"), Unavailable)
    assert not isinstance(send(sandbox, "b"), ProviderError)
    assert call(sandbox, "GET", "/behaviour/b")[1]["error"] is None


def test_a_share_of_failures_is_a_share(sandbox: Sandbox) -> None:
    behaviour = Behaviour(error_rate=0.5)
    sandbox.store.set_behaviour("a", behaviour)
    taken = sum(sandbox.store.decide("a").taken for _number in range(1000))
    assert 400 < taken < 600


@pytest.mark.parametrize(
    "behaviour", [{"no_such": 1}, {"error": "x"}, {"error_rate": 2}, {"status": 99}, {"latency_ms": -1}, [], b"{", b""]
)
def test_a_behaviour_that_is_none_is_refused_with_its_path(sandbox: Sandbox, behaviour: object) -> None:
    status, answer = call(sandbox, "PUT", "/behaviour/a", behaviour)
    assert status == 422
    assert answer["errors"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/sms/../send"),
        ("POST", "/sms/a"),
        ("POST", "/fax/a/send"),
        ("PUT", "/behaviour/"),
    ],
)
def test_what_is_not_there_is_not_found(sandbox: Sandbox, method: str, path: str) -> None:
    assert call(sandbox, method, path, {})[0] == 404


def test_a_body_too_long_is_refused(sandbox: Sandbox) -> None:
    assert call(sandbox, "POST", "/sms/a/send", None, **{"Content-Length": str(10**9)})[0] == 413


def test_memory_is_bounded(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MESSAGES_KEPT", 3)
    monkeypatch.setattr(store, "NAMES_KEPT", 2)
    for name in ("a", "b", "c"):
        for number in range(5):
            call(sandbox, "POST", f"/sms/{name}/send", {"id": str(number)})
    assert [arrival.id for arrival in sandbox.store.messages("c")] == ["4", "3", "2"]
    assert {arrival.name for arrival in sandbox.store.messages()} == {"b", "c"}


def test_messages_can_be_forgotten(sandbox: Sandbox) -> None:
    send(sandbox, "a")
    send(sandbox, "b")
    call(sandbox, "DELETE", "/messages?name=a")
    assert [one["name"] for one in call(sandbox, "GET", "/messages")[1]["messages"]] == ["b"]


def test_what_was_taken_is_in_the_journal(sandbox: Sandbox, tmp_path: Path) -> None:
    one = message()
    send(sandbox, id=one.id)
    sandbox.store.set_behaviour("a", Behaviour(error="unavailable"))
    send(sandbox)
    (line,) = (tmp_path / "journals" / "server-a.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == str(one.id)
    assert "+8613800000000" not in line


def page(sandbox: Sandbox, language: str = "en") -> str:
    with urllib3.PoolManager() as http:
        answer = http.request("GET", sandbox.url + "/", headers={"Accept-Language": language})
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return answer.data.decode()


def test_the_page_masks_addresses_and_escapes_everything(sandbox: Sandbox) -> None:
    send(sandbox, text="<script>alert(1)</script> call +8613900000000")
    email(sandbox, to="alice.doe@example.com", subject="s")
    text = page(sandbox)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "+86*******0000" in text
    for secret in ("13800000000", "13900000000", "alice.doe@example.com"):
        assert secret not in text


def test_the_empty_page_says_so(sandbox: Sandbox) -> None:
    assert "Nothing yet." in page(sandbox)


def test_the_page_is_in_the_readers_language(sandbox: Sandbox) -> None:
    assert '<html lang="zh-hans">' in page(sandbox, "zh-CN,zh;q=0.9")
    assert '<html lang="en">' in page(sandbox, "xx, *;q=0.1")


def test_stopping_lets_go_of_whoever_is_kept_hanging() -> None:
    sandbox = Sandbox(smtp_port=None)
    sandbox.start()
    sandbox.store.set_behaviour("a", Behaviour(hang=True))
    try:
        assert isinstance(send(sandbox, timeout=0.2), OutcomeUnknown)
    finally:
        sandbox.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", "--port", "0", "--smtp-port", "0"],
        cwd=REPOSITORY,
        env={**os.environ, "DATA_DIR": str(tmp_path), "DEMO": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"sandbox: (http://127\.0\.0\.1:\d+) smtp 127\.0\.0\.1:\d+\n", line)
        assert found
        with urllib3.PoolManager() as http:
            assert http.request("GET", found[1] + "/healthz").status == 200
            http.request("POST", found[1] + "/sms/a/send", json={"id": "1", "to": "+1"})
        assert (tmp_path / "sandbox" / "server-a.jsonl").exists()
    finally:
        process.send_signal(number)
        rest = process.communicate(timeout=20)[0]
    assert (process.returncode, rest) == (0, "")


@pytest.mark.parametrize(("environment", "words"), [({}, "no port"), ({"SANDBOX_PORT": "x"}, "SANDBOX_PORT")])
def test_the_command_says_what_is_missing(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    done = subprocess.run(
        [sys.executable, "manage.py", "sandbox"],
        cwd=REPOSITORY,
        env={**inherited, "DATA_DIR": str(tmp_path), "DEMO": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


class Platform:
    """Takes reports where the platform would: refuses the first so many."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self.refusals = refusals
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = CallbackRequest(headers={k.lower(): v for k, v in self.headers.items()}, body=body)
                self.send_response(platform.take(self.path, request))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_rest: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/receipts"

    def take(self, path: str, request: CallbackRequest) -> int:
        if self.refusals:
            self.refusals -= 1
            return 503
        provider = path.rpartition("/")[2]
        adapter = registry.build(adapter="sandbox", provider=provider, config={"receipts": "later"})
        for event in adapter.parse_callback(request):
            self.reports.append((provider, {"id": event.provider_message_id, "delivered": event.delivered}))
        return 200

    def __enter__(self) -> Platform:
        return self

    def __exit__(self, *_rest: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class TestReports:
    @pytest.fixture
    def platform(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
        """Which the sandbox's servers that begin now report to."""
        with Platform() as platform:
            made = Reporter(platform.url)
            monkeypatch.setattr("channels.sandbox.reporter._Shared.reporter", made)
            yield platform

    def test_what_it_took_is_reported_where_that_was_asked_for(self, platform: Platform, wait_for: WaitFor) -> None:
        with Sandbox(smtp_port=None) as server:
            server.store.set_behaviour("a", Behaviour(receipt_delay_ms=1))
            ids = [
                call(server, "POST", "/sms/a/send", {"id": str(number), "report_as": asked})[1]["data"]["id"]
                for number, asked in enumerate(["sms-a", "sms-b", "../etc", None])
            ]
            wait_for(lambda: len(platform.reports) >= 2)
        assert sorted((provider, said["id"]) for provider, said in platform.reports) == sorted(
            zip(["sms-a", "sms-b"], ids, strict=False)
        )

    def test_it_is_reported_by_the_id_it_came_with_where_that_was_asked_for(
        self, platform: Platform, wait_for: WaitFor
    ) -> None:
        with Sandbox(smtp_port=None) as server:
            server.store.set_behaviour("a", Behaviour(receipt_delay_ms=1))
            call(server, "POST", "/sms/a/send", {"id": "ours", "report_as": "sms-a", "report_ours": True})
            wait_for(lambda: platform.reports)
        assert platform.reports[0][1]["id"] == "ours"

    @pytest.mark.parametrize("many", [False, True])
    def test_in_process_too_what_it_took_and_did_not_answer_is_reported(
        self, platform: Platform, wait_for: WaitFor, many: bool
    ) -> None:
        config = {"error_rate": 1, "error": "outcome_unknown", "receipts": "later", "receipt_delay_ms": 1}
        adapter, one = SandboxAdapter(provider="sms-a", config=config), message()
        if many:
            assert [type(answer) for _message, answer in adapter.send_batch([one], timeout=1)] == [OutcomeUnknown]
        else:
            with pytest.raises(OutcomeUnknown):
                adapter.send(one, timeout=1)
        wait_for(lambda: platform.reports)
        assert [(provider, said["id"]) for provider, said in platform.reports] == [("sms-a", str(one.id))]

    def test_a_share_is_reported_as_not_delivered(self, platform: Platform, wait_for: WaitFor) -> None:
        with Sandbox(smtp_port=None) as server:
            server.store.set_behaviour("a", Behaviour(receipt_delay_ms=1, undelivered_rate=1))
            call(server, "POST", "/sms/a/send", {"id": "1", "report_as": "sms-a"})
            wait_for(lambda: platform.reports)
        assert platform.reports[0][1]["delivered"] is False

    def test_receipts_can_stop_while_messages_are_taken(self, platform: Platform, wait_for: WaitFor) -> None:
        with Sandbox(smtp_port=None) as server:
            server.store.set_behaviour("a", Behaviour(receipts=False))
            assert call(server, "POST", "/sms/a/send", {"id": "1", "report_as": "sms-a"})[0] == 200
            server.store.set_behaviour("a", Behaviour(receipt_delay_ms=1))
            _status, answer = call(server, "POST", "/sms/a/send", {"id": "2", "report_as": "sms-a"})
            wait_for(lambda: platform.reports)
        assert [said["id"] for _provider, said in platform.reports] == [answer["data"]["id"]]

    def test_what_was_not_taken_in_comes_again(self, platform: Platform, wait_for: WaitFor) -> None:
        platform.refusals = 1
        Reporter(platform.url).add(Pending(provider="sms-a", secret=reports.shared_secret("sms-a"), id="1"), delay_s=0)
        wait_for(lambda: platform.reports)
