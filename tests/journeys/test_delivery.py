"""From one HTTP call to the message at its far end, through a live stack and servers of other makes than ours."""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast
from uuid import uuid4

import pytest
import urllib3
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook

from config import ports
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.stack.live import LiveStack

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(240)]


@dataclass
class Mailbox:
    """Takes mail; one address it does not know."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(cast(EmailMessage, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox(port=ports.choose())
    controller = Controller(box, hostname="127.0.0.1", port=box.port, enable_SMTPUTF8=True)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def http_server() -> Iterator[tuple[str, list[Received]]]:
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = json.dumps({"code": 0, "data": {"id": f"gw-{len(received)}"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_rest: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def module_stack() -> Iterator[LiveStack]:
    """A stack of its own: these providers must be the only ones, and webhooks may go to this machine."""
    with LiveStack(only="web,email,sms,webhook,lifeboat", ALLOW_PRIVATE_URLS="1") as live:
        live.start()
        live.wait_until_ready()
        yield live


def providers(*, smtp_port: int, gateway_url: str, secret: str) -> list[dict[str, Any]]:
    """One real provider a channel, each in the contract's own words."""
    return [
        {
            "name": "smtp-a",
            "channel": "email",
            "adapter": "smtp",
            "config": {
                "host": "127.0.0.1",
                "port": smtp_port,
                "security": "none",
                "from_email": "Goutong 沟通 <no-reply@example.com>",
            },
        },
        {
            "name": "gateway-a",
            "channel": "sms",
            "adapter": "http_sms",
            "config": {
                "url": f"{gateway_url}/send",
                "method": "POST",
                "headers": {"Authorization": "Bearer x"},
                "body": '{"id": {{ id | json }}, "to": {{ to | json }}, "text": {{ text | json }}}',
                "success": {"path": "code", "equals": 0},
                "message_id": "data.id",
                "receipts": True,
                "callback_secret": "agreed",
                "callback": {
                    "signature": {"header": "X-Token", "method": "secret"},
                    "message_id": "msg",
                    "status": "state",
                    "delivered": ["DELIVRD"],
                    "detail": "why",
                },
            },
        },
        {"name": "hook-a", "channel": "webhook", "adapter": "webhook", "config": {"signing_secret": secret}},
    ]


WELCOME: dict[str, Any] = {
    "key": "welcome",
    "category": "account",
    "contents": {
        "email": {
            "zh-CN": {"subject": "欢迎, {{ name }}", "text": "你好 {{ name }}", "html": "<p>你好 {{ name }}</p>"}
        },
        "sms": {"zh-CN": {"text": "你好 {{ name }}"}},
        "webhook": {"zh-CN": {"text": "你好 {{ name }}"}},
    },
}
NAME = '<小明> "引号"'
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@dataclass
class Journey:
    """A message on three channels, and where each of them arrived."""

    company: Company
    sent: dict[str, Any]
    box: Mailbox
    gateway: list[Received]
    hook: list[Received]

    @property
    def ids(self) -> dict[str, str]:
        return {delivery["channel"]: delivery["id"] for delivery in self.sent["deliveries"]}

    def rows(self) -> dict[str, dict[str, Any]]:
        found = self.company.get(f"notifications/{self.sent['id']}")
        return {row["channel"]: row for row in found["deliveries"]}


@pytest.fixture(scope="module")
def journey(module_stack: LiveStack, wait_for: WaitFor) -> Iterator[Journey]:
    with mailbox() as box, http_server() as (gateway_url, gateway), http_server() as (hook_url, hook):
        configuration = {
            "providers": providers(smtp_port=box.port, gateway_url=gateway_url, secret=SECRET),
            "templates": [WELCOME],
        }
        company = Company(module_stack, f"c{uuid4().hex[:8]}", configuration=configuration)
        sent = company.send(
            to={"email": "li@example.com", "phone": "+8613800001234", "url": f"{hook_url}/hook"},
            channels=["email", "sms", "webhook"],
            template="welcome",
            locale="zh-CN",
            params={"name": NAME},
            callback_url=f"{hook_url}/callback",
        )
        found = Journey(company, sent, box, gateway, hook)
        wait_for(lambda: len(hook) >= 4, timeout=60, message="a webhook and three callbacks")
        yield found


def test_the_states_say_what_each_far_end_said(journey: Journey) -> None:
    states = {channel: row["status"] for channel, row in journey.rows().items()}
    assert states == {"email": "sent", "sms": "sent", "webhook": "delivered"}
    assert journey.company.reconcile()["unaccounted"] == 0


def test_an_email_arrives_as_proper_mime(journey: Journey) -> None:
    (mail,) = journey.box.mails
    assert mail["Subject"] == f"欢迎, {NAME}"
    assert mail["From"] == "Goutong 沟通 <no-reply@example.com>"
    assert mail["To"] == "li@example.com"
    assert mail["Message-ID"] == f"<{journey.ids['email']}@example.com>"
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == f"你好 {NAME}"
    assert "&lt;小明&gt;" in html.get_content()


def test_an_sms_arrives_at_its_gateway_in_the_gateway_s_words(journey: Journey) -> None:
    (sms,) = journey.gateway
    assert sms.headers["authorization"] == "Bearer x"
    assert json.loads(sms.body) == {"id": journey.ids["sms"], "to": "+8613800001234", "text": f"你好 {NAME}"}


def test_a_webhook_s_signature_verifies(journey: Journey) -> None:
    (message,) = [one for one in journey.hook if one.path == "/hook"]
    assert Webhook(SECRET).verify(message.body, message.headers)["id"] == journey.ids["webhook"]
    assert message.headers["webhook-id"] == journey.ids["webhook"]


def test_status_callbacks_are_signed_with_the_application_s_secret(journey: Journey) -> None:
    company = journey.company
    program = (
        "from notify import signing_secrets; from notify.models import Application;"
        f"print(signing_secrets.of(application_id=Application.objects.get(name='{company.name}').pk))"
    )
    secret = company.live.manage("shell", "-v0", "-c", program).stdout.strip().splitlines()[-1]
    told = [Webhook(secret).verify(one.body, one.headers) for one in journey.hook if one.path == "/callback"]
    assert {(one["type"], one["data"]["delivery"]["channel"]) for one in told} == {
        ("delivery.sent", "email"),
        ("delivery.sent", "sms"),
        ("delivery.delivered", "webhook"),
    }


def test_a_refused_recipient_is_the_end_of_that_delivery(journey: Journey, wait_for: WaitFor) -> None:
    company = journey.company
    sent = company.send(
        to={"email": "nobody@example.com"}, channels=["email"], template="welcome", params={"name": "x"}
    )
    wait_for(lambda: company.status(sent) == "failed", timeout=30)
    (row,) = company.get(f"notifications/{sent['id']}")["deliveries"]
    assert row["error"]["code"] == "recipient_rejected"


def test_what_a_test_key_sends_reaches_nobody(journey: Journey, wait_for: WaitFor) -> None:
    company = journey.company
    tester = Company(company.live, company.name, configuration={})
    tester.use_key(company.live.manage("create_api_key", company.name, "--test").stdout.strip())
    before = len(journey.box.mails)
    sent = tester.send(to={"email": "li@example.com"}, channels=["email"], content={"subject": "Hi", "text": "Hello"})
    wait_for(lambda: tester.status(sent) == "delivered", timeout=30)
    assert len(journey.box.mails) == before


def report(company: Company, said: dict[str, Any], *, token: str = "agreed") -> int:
    """What the gateway's callback is answered with."""
    url = f"{company.live.url}/api/v1/receipts/gateway-a"
    headers = {"X-Token": token, "Content-Type": "application/json"}
    with urllib3.PoolManager(retries=False, timeout=10) as http:
        return http.request("POST", url, body=json.dumps(said), headers=headers).status


def test_what_the_gateway_reports_is_what_the_application_sees_and_is_told(journey: Journey, wait_for: WaitFor) -> None:
    company = journey.company
    hook = next(one.headers["host"] for one in journey.hook)
    sent = company.send(
        to={"phone": "+8613800001235", "email": "li@example.com"},
        channels=["sms", "email"],
        route="first",
        template="welcome",
        locale="zh-CN",
        params={"name": "x"},
        callback_url=f"http://{hook}/reported",
    )
    wait_for(lambda: company.status(sent) == "sent", timeout=30)
    reported = {"msg": f"gw-{len(journey.gateway)}", "state": "UNDELIV", "why": "not in use"}
    assert company.reconcile()["in_flight"]["sent"] >= 1
    assert report(company, reported, token="guessed") == 401
    assert report(company, reported) == report(company, reported) == 200

    def states() -> dict[str, str]:
        rows = company.get(f"notifications/{sent['id']}")["deliveries"]
        return {row["channel"]: row["status"] for row in rows}

    wait_for(lambda: states() == {"sms": "failed", "email": "sent"}, timeout=30)
    events = company.get(f"notifications/{sent['id']}/timeline")["events"]
    told = [(one["provider"], one["outcome"], one["reason"]) for one in events if one["type"] == "receipt"]
    assert told == [("gateway-a", "undelivered", "not in use")]

    def callbacks() -> list[str]:
        bodies = [json.loads(one.body) for one in journey.hook if one.path == "/reported"]
        return sorted(f"{one['type']} {one['data']['delivery']['channel']}" for one in bodies)

    wait_for(lambda: callbacks() == ["delivery.failed sms", "delivery.sent email", "delivery.sent sms"], timeout=30)


def test_flower_shows_every_lane_s_worker_and_its_drains(live_stack: LiveStack, wait_for: WaitFor) -> None:
    http = urllib3.PoolManager(retries=False, timeout=10)
    kept = json.loads((live_stack.data_dir / "secrets.json").read_text())
    login = f"{kept['flower_user']}:{kept['flower_password']}"
    base = f"http://127.0.0.1:{live_stack.flower_port}"
    headers = urllib3.make_headers(basic_auth=login)

    def queues() -> set[str]:
        try:
            answer = http.request("GET", f"{base}/api/workers?refresh=1", headers=headers)
        except urllib3.exceptions.HTTPError:
            return set()
        workers = answer.json() if answer.status == 200 else {}
        return {queue["name"] for worker in workers.values() for queue in worker.get("active_queues") or []}

    from channels.names import LANES

    wait_for(lambda: set(LANES) | {"control"} <= queues(), timeout=60, message="every lane has its worker")
    assert http.request("GET", f"{base}/api/workers").status == 401
    company = Company(live_stack, f"c{uuid4().hex[:8]}", configuration={})
    company.send(to={"user_id": "u1"}, channels=["inapp"], content={"text": "x"})

    def drains() -> list[str]:
        answer = http.request("GET", f"{base}/api/tasks?taskname=notify.drain", headers=headers)
        return [task["args"] for task in answer.json().values()] if answer.status == 200 else []

    wait_for(lambda: any("inapp.normal" in args for args in drains()), timeout=30, message="a drain of the lane")
