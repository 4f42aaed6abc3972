"""Providers' callbacks: believed when they are signed, and read as the provider's configuration says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from channels import registry
from channels.adapters import callback
from channels.adapters.http_sms import HttpSmsAdapter
from channels.callbacks import CallbackForged, CallbackUnreadable, sign
from channels.errors import ConfigurationError
from channels.sandbox import reports
from channels.sandbox.server import Sandbox
from channels.types import CallbackRequest
from tests.channels.callback_contract import CallbackContract, Told
from tests.channels.wire import message

SECRET = "s3cret"
STATUSES = {True: "DELIVRD", False: "UNDELIV", None: "ENROUTE"}


def as_json(*told: Told) -> bytes:
    return json.dumps(
        {
            "data": [
                {
                    "sid": one.id,
                    "stat": STATUSES[one.delivered],
                    "err": one.detail,
                    **({"time": one.at.timestamp()} if one.at else {}),
                }
                for one in told
            ]
        }
    ).encode()


def reading(**signature: Any) -> dict[str, Any]:
    """A gateway's configuration; its signature as said."""
    return {
        "url": "http://gateway.test/send",
        "receipts": True,
        "callback_secret": SECRET,
        "callback": {
            "signature": signature,
            "reports": "data",
            "message_id": "sid",
            "status": "stat",
            "delivered": ["DELIVRD"],
            "pending": ["ENROUTE"],
            "detail": "err",
            "at": "time",
        },
    }


class TestSandbox(CallbackContract):
    adapter = "sandbox"
    config: ClassVar[dict[str, Any]] = {"receipts": "later", "callback_secret": SECRET}
    signature = reports.SIGNATURE

    def request(self, *told: Told, now: datetime) -> CallbackRequest:
        words = {True: reports.DELIVERED, False: reports.UNDELIVERED, None: reports.ACCEPTED}
        written = [
            reports.Report(id=one.id, status=words[one.delivered], at=one.at or now, detail=one.detail) for one in told
        ]
        headers, body = reports.write(written, secret=SECRET, now=now)
        return CallbackRequest(headers=headers, body=body)

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        at = str(int(now.timestamp()))
        signature = sign(at.encode() + b"." + body, secret=SECRET, method="hmac-sha256")
        return CallbackRequest(headers={reports.TIMESTAMP: at, reports.SIGNATURE: signature}, body=body)


class TestHmacOfBodyAndTime(CallbackContract):
    adapter = "http_sms"
    config = reading(header="X-Signature", timestamp="X-Time", prefix="v1=", encoding="base64")
    signature = "x-signature"

    def request(self, *told: Told, now: datetime) -> CallbackRequest:
        return self.signed(as_json(*told), now=now)

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        at = str(int(now.timestamp()))
        made = sign(at.encode() + b"." + body, secret=SECRET, method="hmac-sha256", encoding="base64")
        return CallbackRequest(headers={"x-time": at, "x-signature": f"v1={made}"}, body=body)


class TestHmacOfBody(CallbackContract):
    adapter = "http_sms"
    config = reading(header="X-Hub-Signature", prefix="sha1=", method="hmac-sha1")
    signature = "x-hub-signature"
    signs_time = False

    def request(self, *told: Told, now: datetime) -> CallbackRequest:
        return self.signed(as_json(*told), now=now)

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        made = sign(body, secret=SECRET, method="hmac-sha1").upper()
        return CallbackRequest(headers={"x-hub-signature": f"sha1={made}"}, body=body)


class TestSecretInHeader(CallbackContract):
    adapter = "http_sms"
    config = reading(header="Authorization", prefix="Bearer ", method="secret")
    signature = "authorization"
    signs_body = signs_time = False

    def request(self, *told: Told, now: datetime) -> CallbackRequest:
        return self.signed(as_json(*told), now=now)

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        return CallbackRequest(headers={"authorization": f"Bearer {SECRET}"}, body=body)


class TestSecretInUrl(CallbackContract):
    adapter = "http_sms"
    config = reading(query="token", method="secret")
    signature = "?token"
    signs_body = signs_time = False

    def request(self, *told: Told, now: datetime) -> CallbackRequest:
        return self.signed(as_json(*told), now=now)

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        return CallbackRequest(headers={}, body=body, query={"token": SECRET})


class TestShapes:
    """One report a callback, in the ways gateways send it. ``callback`` is changed, the rest is as above."""

    def parse(self, body: bytes, *, content_type: str = "", query: dict[str, str] | None = None, **changed: Any) -> Any:
        config = reading(query="token", method="secret")
        config["callback"] = {**config["callback"], "reports": "", **changed}
        request = CallbackRequest(
            headers={"content-type": content_type}, body=body, query={"token": SECRET, **(query or {})}
        )
        return HttpSmsAdapter(provider="p", config=config).parse_callback(request)

    def test_a_single_report_is_the_body(self) -> None:
        (event,) = self.parse(b'{"sid": 17, "stat": "DELIVRD"}')
        assert (event.provider_message_id, event.delivered) == ("17", True)

    def test_a_list_of_reports_is_the_body(self) -> None:
        assert len(self.parse(b'[{"sid": "1", "stat": "DELIVRD"}, {"sid": "2", "stat": "X"}]')) == 2

    def test_a_form_is_read(self) -> None:
        body = urlencode({"sid": "m1", "stat": "DELIVRD"}).encode()
        (event,) = self.parse(body, content_type="application/x-www-form-urlencoded")
        assert (event.provider_message_id, event.delivered) == ("m1", True)

    def test_a_query_is_read(self) -> None:
        (event,) = self.parse(b"", query={"sid": "m1", "stat": "0"}, delivered=[0])
        assert (event.provider_message_id, event.delivered) == ("m1", True)

    def test_a_status_nobody_listed_is_a_failure(self) -> None:
        (event,) = self.parse(b'{"sid": "m1", "stat": "EXPIRED"}')
        assert event.delivered is False
        assert event.raw == {"status": "EXPIRED"}

    @pytest.mark.parametrize("written", [b'"2026-01-02T11:04:05"', b'"2026-01-02 11:04:05"', b'"2026-01-02T03:04:05Z"'])
    def test_times_without_a_zone_are_the_providers(self, written: bytes) -> None:
        at = callback._time(json.loads(written), "Asia/Shanghai", now=datetime(2026, 1, 2, 4, tzinfo=UTC))
        assert at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    @pytest.mark.parametrize("as_text", [False, True])
    @pytest.mark.parametrize("factor", [1, 1000])
    def test_times_may_be_seconds_or_milliseconds(self, factor: int, as_text: bool) -> None:
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
        number: int | str = int(at.timestamp()) * factor
        body = json.dumps({"sid": "m1", "stat": "DELIVRD", "time": str(number) if as_text else number})
        (event,) = self.parse(body.encode())
        assert event.at == at

    @pytest.mark.parametrize("written", ["null", '"soon"', "1e308", "-1", "NaN", "[]", '"9999-12-31T23:59:59Z"'])
    def test_a_time_that_makes_no_sense_is_now(self, written: str) -> None:
        (event,) = self.parse(f'{{"sid": "m1", "stat": "DELIVRD", "time": {written}}}'.encode())
        assert abs(datetime.now(UTC) - event.at) < timedelta(minutes=1)

    def test_more_reports_than_anybody_sends_are_refused(self) -> None:
        with pytest.raises(CallbackUnreadable):
            self.parse(b"[" + b",".join([b'{"sid": "1", "stat": "X"}'] * 10_001) + b"]")

    @pytest.mark.parametrize("identifier", [b"null", b'""', b"true", b"{}", b"1.5"])
    def test_a_report_of_no_message_is_unreadable(self, identifier: bytes) -> None:
        with pytest.raises(CallbackUnreadable):
            self.parse(b'{"sid": ' + identifier + b', "stat": "DELIVRD"}')


class TestPromises:
    """Who can't be heard must not be judged by what he does not say."""

    def test_a_provider_whose_reports_can_be_read_takes_them(self) -> None:
        adapter = HttpSmsAdapter(provider="p", config=reading(header="X-Sig"))
        assert adapter.takes_callbacks

    def test_without_a_way_to_read_reports_none_are_waited_for(self) -> None:
        with Sandbox(smtp_port=None) as server:
            url = f"{server.url}/sms/p/send"
            config = {**reading(header="X-Sig"), "url": url}
            heard = HttpSmsAdapter(provider="p", config=config)
            deaf = HttpSmsAdapter(provider="p", config={"url": url, "receipts": True})
            assert heard.send(message(), timeout=5).receipts
            assert not deaf.send(message(), timeout=5).receipts
            assert not deaf.takes_callbacks

    def test_the_sandbox_signs_with_a_secret_of_the_platforms_own_where_none_was_agreed_on(self) -> None:
        adapter = registry.build(adapter="sandbox", provider="sms-a", config={"receipts": "later"})
        now = datetime.now(UTC)
        said = [reports.Report(id="1", status=reports.DELIVERED, at=now)]

        def parse(secret: str) -> list[Any]:
            headers, body = reports.write(said, secret=secret, now=now)
            return adapter.parse_callback(CallbackRequest(headers=headers, body=body))

        assert len(parse(reports.shared_secret("sms-a"))) == 1
        with pytest.raises(CallbackForged):
            parse(reports.shared_secret("sms-b"))


class TestConfiguration:
    def refused(self, config: dict[str, Any]) -> str:
        with pytest.raises(ConfigurationError) as caught:
            registry.check(adapter="http_sms", channel="sms", config=config)
        return str(caught.value)

    @pytest.mark.parametrize("secret", [None, ""])
    def test_a_callback_without_a_secret_is_refused(self, secret: str | None) -> None:
        assert "callback_secret" in self.refused({**reading(header="X-Sig"), "callback_secret": secret})

    @pytest.mark.parametrize("where", [{}, {"header": "X-Sig", "query": "sig"}, {"query": "sig", "timestamp": "X-T"}])
    def test_a_signature_has_one_place(self, where: dict[str, str]) -> None:
        assert "callback.signature" in self.refused(reading(**where))

    @pytest.mark.parametrize(
        ("key", "value"), [("timezone", "Mars/Base"), ("timezone", "../etc"), ("delivered", []), ("status", "$[")]
    )
    def test_a_bad_value_is_refused_with_its_path(self, key: str, value: object) -> None:
        config = reading(header="X-Sig")
        config["callback"] = {**config["callback"], key: value}
        assert f"callback.{key}" in self.refused(config)


@pytest.mark.parametrize("adapter", ["smtp", "webhook", "inapp"])
def test_protocols_without_callbacks_say_nothing(adapter: str) -> None:
    config = {"smtp": {"host": "127.0.0.1", "from_email": "a@example.com"}}.get(adapter, {})
    built = registry.build(adapter=adapter, provider="p", config=config)
    assert built.parse_callback(CallbackRequest(headers={}, body=b"{}")) == []


def test_an_empty_secret_signs_nothing() -> None:
    made = sign(b"x", secret="", method="hmac-sha256")
    request = CallbackRequest(headers={"x-sig": made}, body=b"x")
    adapter = registry.build(adapter="sandbox", provider="p", config={"callback_secret": ""})
    with pytest.raises(CallbackForged):
        adapter.parse_callback(request)
