"""One notification and its timeline as its application reads them."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client

from notify import queries
from notify.api.shapes import NotificationShape
from notify.models import Application, DeliveryKind
from tests import factories
from tests.factories import make_application, make_client, make_delivery, make_notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def test_a_notification_is_answered_in_its_shape(client: Client, application: Application) -> None:
    batch = factories.make_batch(application, metadata={"campaign": "spring", "ref": "batch"})
    one = make_notification(
        application,
        batch=batch,
        channels=["sms", "email"],
        template_version=factories.make_template("otp", application=application, number=3),
        category="security",
        ref="A-1",
        metadata={"ref": "own"},
    )
    make_delivery(one, "sent", channel="sms", provider="sms-a", attempts=1, sent_at=one.created_at)
    make_delivery(one, "failed", channel="email", step=1, error_code="recipient_rejected", error_detail="no such user")

    response = client.get(f"/api/v1/notifications/{one.id}")

    assert response.status_code == 200
    NotificationShape.model_validate_json(response.content)
    body = response.json()
    assert body["id"] == str(one.id)
    assert body["status"] == "sent"
    assert body["template"] == {"key": "otp", "version": 3}
    assert body["metadata"] == {"campaign": "spring", "ref": "own"}
    assert (body["ref"], body["category"], body["batch_id"]) == ("A-1", "security", str(batch.id))
    first, second = body["deliveries"]
    assert (first["channel"], first["to"], first["provider"], first["error"]) == (
        "sms",
        "+86*******1234",
        "sms-a",
        None,
    )
    assert second["error"] == {"code": "recipient_rejected", "detail": "no such user"}


def test_nothing_personal_is_answered(client: Client, application: Application) -> None:
    one = make_notification(
        application, channels=list(factories.ADDRESSES), content={"text": "the secret text"}, params={"code": "987654"}
    )
    for channel in factories.ADDRESSES:
        make_delivery(
            one, channel=channel, error_code="unavailable", error_detail="550 alice@example.com +8613800001234 unknown"
        )
    for path in (f"notifications/{one.id}", "notifications", f"notifications/{one.id}/timeline"):
        text = client.get(f"/api/v1/{path}").content.decode()
        leaks = [secret for secret in (*factories.ADDRESSES.values(), "secret", "987654") if secret in text]
        assert not leaks, path


@pytest.mark.parametrize("path", ["", "/timeline"])
def test_what_is_not_the_applications_own_is_not_found_and_looks_alike(client: Client, path: str) -> None:
    other = make_notification(make_application())
    answers = [
        client.get(f"/api/v1/notifications/{wanted}{path}")
        for wanted in (other.id, uuid.uuid4(), "ffffffff-ffff-ffff-ffff-ffffffffffff", "nonsense", "%00", "a" * 300)
    ]
    assert {answer.status_code for answer in answers} == {404}
    bodies = [answer.json() for answer in answers]
    assert all(answer["Content-Type"] == "application/problem+json" for answer in answers)
    for body in bodies:
        body.pop("request_id")
    assert all(body == bodies[0] for body in bodies)


def test_a_key_without_the_scope_may_not_read(application: Application) -> None:
    one = make_notification(application)
    client = make_client(application, "send")
    for path in (f"notifications/{one.id}", f"notifications/{one.id}/timeline"):
        assert client.get(f"/api/v1/{path}").status_code == 403


def test_status_callbacks_are_not_deliveries(client: Client, application: Application) -> None:
    one = make_notification(application)
    make_delivery(one, "sent")
    make_delivery(one, "queued", channel="webhook", kind=DeliveryKind.CALLBACK)
    body = client.get(f"/api/v1/notifications/{one.id}").json()
    assert [delivery["channel"] for delivery in body["deliveries"]] == ["email"]
    assert body["status"] == "sent"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["scheduled"], "scheduled"),
        (["scheduled", "queued"], "queued"),
        (["queued", "sending", "delivered"], "sending"),
        (["delivered", "queued"], "queued"),
        (["failed", "delivered"], "delivered"),
        (["delivered", "sent"], "delivered"),
        (["sent", "held"], "sent"),
        (["held", "dead"], "held"),
        (["dead", "failed"], "dead"),
        (["failed", "expired"], "failed"),
        (["expired", "suppressed"], "expired"),
        (["suppressed", "cancelled"], "suppressed"),
        (["cancelled"], "cancelled"),
        ([], "failed"),
    ],
)
def test_a_notifications_state_is_that_of_its_deliveries(statuses: list[str], expected: str) -> None:
    one = make_notification(make_application())
    deliveries = [make_delivery(one, status) for status in statuses]
    assert queries.notification_status(deliveries) == expected


def test_the_timeline_is_answered_in_its_shape(client: Client, application: Application) -> None:
    start = factories.now() - timedelta(minutes=1)
    one = make_notification(application, at=start)
    sent = make_delivery(one, "delivered")
    factories.make_attempt(sent, "sent", at=start + timedelta(seconds=1), worker="email@host", reason="the only one")
    factories.make_event(one, "receipt", at=start + timedelta(seconds=3), delivery_id=sent.id, outcome="delivered")
    body = client.get(f"/api/v1/notifications/{one.id}/timeline").json()
    assert [(event["type"], event["elapsed_ms"]) for event in body["events"]] == [
        ("accepted", 0),
        ("queued", 0),
        ("claimed", 1000),
        ("attempted", 20),
        ("receipt", 1980),
    ]
    assert body["events"][3] == {
        "at": (start + timedelta(seconds=1, milliseconds=20)).isoformat().replace("+00:00", "Z"),
        "type": "attempted",
        "delivery_id": str(sent.id),
        "channel": "email",
        "provider": "email-a",
        "attempt": 1,
        "outcome": "sent",
        "reason": "the only one",
        "actor": None,
        "elapsed_ms": 20,
    }
