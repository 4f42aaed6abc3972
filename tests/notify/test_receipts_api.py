"""Where providers report: who is believed, what is refused, and what the answers say."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from channels import directory
from channels.models import Provider
from channels.sandbox import reports
from channels.sandbox.reports import Report
from notify.api import receipts as desk
from notify.api.receipts import ReceiptsShape, _Desk
from notify.models import Delivery, DeliveryStatus, EarlyReceipt
from tests.factories import make_application, make_delivery, make_notification

pytestmark = pytest.mark.django_db

SECRET = "agreed"
GATEWAY = {
    "url": "http://gateway.test/send",
    "receipts": True,
    "callback_secret": SECRET,
    "callback": {
        "signature": {"header": "Authorization", "prefix": "Bearer ", "method": "secret"},
        "message_id": "sid",
        "status": "stat",
        "delivered": ["DELIVRD"],
        "answer": '{"code": 0}',
    },
}


@pytest.fixture(autouse=True)
def _providers() -> Iterator[None]:
    Provider.objects.create(
        name="sms-a", channel="sms", adapter="sandbox", config={"receipts": "later", "callback_secret": SECRET}
    )
    Provider.objects.create(name="sms-b", channel="sms", adapter="http_sms", config=GATEWAY)
    Provider.objects.create(name="sms-mute", channel="sms", adapter="sandbox", config={"receipts": "none"})
    directory.forget()
    yield
    directory.forget()


def sent(provider: str = "sms-a", **values: Any) -> Delivery:
    """A message that ``provider`` has taken, and will report on."""
    notification = make_notification(make_application(), channels=["sms"])
    now = timezone.now()
    own = {"provider": provider, "sent_at": now, "receipt_until": now + timedelta(days=1), **values}
    return make_delivery(notification, DeliveryStatus.SENT, channel="sms", **own)


def post(provider: str, body: bytes, headers: dict[str, str], **options: Any) -> Any:
    kind = headers.get("content-type", "application/json")
    return Client().post(f"/api/v1/receipts/{provider}", body, content_type=kind, headers=headers, **options)


def report(*said: Report, provider: str = "sms-a", secret: str = SECRET, now: datetime | None = None) -> Any:
    headers, body = reports.write(said, secret=secret, now=now or timezone.now())
    return post(provider, body, dict(headers))


def delivered(of: Delivery | str) -> Report:
    return Report(id=str(of if isinstance(of, str) else of.id), status=reports.DELIVERED, at=timezone.now())


def test_a_report_is_taken_without_a_key_of_ours() -> None:
    delivery = sent()
    response = report(delivered(delivery), delivered("nobody"))
    assert response.status_code == 200
    ReceiptsShape.model_validate_json(response.content)
    assert response.json() == {"reports": 2}
    delivery.refresh_from_db()
    assert delivery.status == "delivered"


def test_an_answer_of_the_providers_own_is_given() -> None:
    sent("sms-b", provider_message_id="17")
    response = post("sms-b", b'{"sid": 17, "stat": "DELIVRD"}', {"Authorization": f"Bearer {SECRET}"})
    assert (response.status_code, response.json()) == (200, {"code": 0})
    assert response["Content-Type"].startswith("application/json")
    assert Delivery.objects.get(provider="sms-b").status == "delivered"


def test_a_provider_that_was_switched_off_is_heard_about_what_it_took_before() -> None:
    delivery = sent()
    Provider.objects.filter(name="sms-a").update(enabled=False)
    assert report(delivered(delivery)).status_code == 200
    delivery.refresh_from_db()
    assert delivery.status == "delivered"


@pytest.mark.parametrize("provider", ["nobody", "sms-mute", "builtin:sandbox", "..", "%00", "a" * 300])
def test_who_reports_nothing_is_not_found(provider: str) -> None:
    response = report(delivered("1"), provider=provider)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_a_forged_report_changes_nothing() -> None:
    delivery = sent()
    response = report(delivered(delivery), secret="guessed")
    assert (response.status_code, response.json()["code"]) == (401, "invalid_signature")
    assert response["WWW-Authenticate"]
    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert not EarlyReceipt.objects.exists()


def test_a_report_that_was_recorded_and_is_played_again_later_is_not_believed() -> None:
    assert report(delivered(sent()), now=datetime.now(UTC) - timedelta(hours=1)).status_code == 401


def test_one_providers_secret_opens_nobody_elses_desk() -> None:
    Provider.objects.create(name="sms-c", channel="sms", adapter="sandbox", config={"receipts": "later"})
    assert report(delivered("1"), provider="sms-c").status_code == 401


def test_a_key_of_an_application_is_no_signature() -> None:
    response = post("sms-a", b"{}", {"Authorization": "Bearer gt_live_x"})
    assert response.json()["code"] == "invalid_signature"


@pytest.mark.parametrize("body", [b"[", b"\xff\x00", b"1", b"[1]", b"[{}]", b"[" * 100_000, b'{"sid": "1"}'])
def test_what_is_signed_and_is_no_report_is_refused(body: bytes) -> None:
    response = post("sms-b", body, {"Authorization": f"Bearer {SECRET}"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("name", ["a\\u0000b", "\\ud800", "é" * 200, "x" * 5000])
def test_odd_ids_are_of_no_message_and_of_no_harm(name: str) -> None:
    response = post("sms-b", b'{"sid": "%s", "stat": "DELIVRD"}' % name.encode(), {"Authorization": f"Bearer {SECRET}"})
    assert response.status_code in (200, 400)


def test_a_body_that_is_too_large_is_not_read(settings: Any) -> None:
    settings.NOTIFY = {**settings.NOTIFY, "MAX_BODY_BYTES": 1000}
    response = post("sms-b", b"x" * 1001, {"Authorization": f"Bearer {SECRET}"})
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_a_body_that_was_cut_short_is_refused() -> None:
    cut = {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b'{"sid":')}
    response = post("sms-b", b"", {"Authorization": f"Bearer {SECRET}"}, **cut)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_request")


def test_only_posts_are_taken() -> None:
    assert Client().get("/api/v1/receipts/sms-a").status_code == 405


def test_with_the_database_away_the_provider_is_asked_to_come_again() -> None:
    def gone(execute: Any, sql: str, *rest: Any) -> Any:
        if "notify_delivery" in sql:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(gone):
        response = report(delivered("1"))
    assert (response.status_code, response["Retry-After"]) == (503, "2")


def test_when_too_many_come_at_once_the_provider_is_asked_to_come_again() -> None:
    full = _Desk(places=1, waiting=0)
    with patch.object(desk, "_desk", full), full.place():
        response = report(delivered(sent()))
    assert (response.status_code, response.json()["code"]) == (503, "too_many_receipts")
    assert response["Retry-After"]
    assert not Delivery.objects.filter(status="delivered").exists()


def test_the_schema_says_that_no_key_is_needed() -> None:
    schema = Client().get("/api/schema/", headers={"Accept": "application/json"}).json()
    operation = schema["paths"]["/api/v1/receipts/{provider}"]["post"]
    assert "security" not in operation or operation["security"] == [{}]
    assert set(operation["responses"]) == {"200", "400", "401", "404", "413", "415", "503"}
    assert json.dumps(operation["requestBody"]).count("delivered")
