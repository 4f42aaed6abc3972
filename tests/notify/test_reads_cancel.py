"""Cancelling a notification."""

from __future__ import annotations

import pytest
from django.test import Client

from notify.api.shapes import NotificationShape
from notify.models import Application
from tests.factories import make_application, make_client, make_delivery, make_notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def test_cancelling_takes_what_is_not_handed_over(client: Client, application: Application) -> None:
    one = make_notification(application, channels=["email", "sms", "push"])
    make_delivery(one, "scheduled", channel="email")
    make_delivery(one, "queued", channel="sms")
    make_delivery(one, "sending", channel="push")
    response = client.generic("POST", f"/api/v1/notifications/{one.id}/cancel")
    assert response.status_code == 200, response.content
    NotificationShape.model_validate_json(response.content)
    states = {delivery["channel"]: delivery["status"] for delivery in response.json()["deliveries"]}
    assert states == {"email": "cancelled", "sms": "cancelled", "push": "sending"}
    events = client.get(f"/api/v1/notifications/{one.id}/timeline").json()["events"]
    cancelled = [event for event in events if event["type"] == "cancelled"]
    assert {event["channel"] for event in cancelled} == {"email", "sms", "push"}
    assert [event["reason"] for event in cancelled if event["channel"] == "push"] == [
        "it is being sent, and will not be tried again"
    ]
    assert all(event["actor"].startswith(f"{application.name}/") for event in cancelled)


@pytest.mark.parametrize("status", ["delivered", "sent", "failed", "cancelled"])
def test_cancelling_what_is_past_it_is_a_conflict(client: Client, application: Application, status: str) -> None:
    one = make_notification(application)
    make_delivery(one, status)
    response = client.generic("POST", f"/api/v1/notifications/{one.id}/cancel")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_what_is_being_sent_is_not_tried_again_once_cancelled(client: Client, application: Application) -> None:
    one = make_notification(application)
    sending = make_delivery(one, "sending")
    assert client.generic("POST", f"/api/v1/notifications/{one.id}/cancel").status_code == 200
    sending.refresh_from_db()
    assert (sending.status, sending.cancel_requested) == ("sending", True)


def test_cancelling_again_with_the_same_key_replays_the_answer(client: Client, application: Application) -> None:
    one = make_notification(application)
    make_delivery(one, "queued")
    url, headers = f"/api/v1/notifications/{one.id}/cancel", {"Idempotency-Key": "once"}
    first, second = (client.generic("POST", url, headers=headers) for _turn in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert second["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()


def test_another_applications_notification_can_not_be_cancelled(client: Client) -> None:
    other = make_notification(make_application())
    waiting = make_delivery(other, "queued")
    assert client.generic("POST", f"/api/v1/notifications/{other.id}/cancel").status_code == 404
    waiting.refresh_from_db()
    assert waiting.status == "queued"


def test_cancelling_needs_the_scope_to_send(application: Application) -> None:
    one = make_notification(application)
    client = make_client(application, "read")
    assert client.generic("POST", f"/api/v1/notifications/{one.id}/cancel").status_code == 403


def test_cancelling_takes_no_fields(client: Client, application: Application) -> None:
    one = make_notification(application)
    make_delivery(one, "queued")
    url = f"/api/v1/notifications/{one.id}/cancel"
    response = client.post(url, {"why": "because"}, content_type="application/json")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "unknown_field")
    assert client.post(url, {}, content_type="application/json").status_code == 200
