"""Batches as applications read and cancel them."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notify.api.shapes import BatchShape
from notify.models import Application, Delivery, DeliveryKind, DeliveryStatus
from tests import factories
from tests.factories import make_application, make_batch, make_client, make_delivery, make_notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def make_members(application: Application, *statuses: str, **values: object) -> str:
    batch = make_batch(application, accepted=len(statuses), **values)
    for status in statuses:
        make_delivery(make_notification(application, batch=batch, at=batch.created_at), status)
    return str(batch.id)


def test_a_batch_counts_its_deliveries_by_state_every_state_present(client: Client, application: Application) -> None:
    batch = make_members(application, "sent", "sent", "queued", "failed", "dead", "expired", rejected=2)
    make_members(application, "held")
    response = client.get(f"/api/v1/batches/{batch}")
    BatchShape.model_validate_json(response.content)
    body = response.json()
    assert list(body["counts"]) == [str(status) for status in DeliveryStatus]
    assert {status: number for status, number in body["counts"].items() if number} == {
        "sent": 2,
        "queued": 1,
        "failed": 1,
        "dead": 1,
        "expired": 1,
    }
    assert (body["accepted"], body["rejected"], body["deliveries"], body["failures"]) == (6, 2, 6, 3)
    assert (body["status"], body["complete"]) == ("in_progress", False)


@pytest.mark.parametrize("status", ["scheduled", "queued", "sending"])
def test_a_batch_is_not_complete_while_anything_is_in_flight(
    client: Client, application: Application, status: str
) -> None:
    batch = make_members(application, "sent", "delivered", status)
    assert client.get(f"/api/v1/batches/{batch}").json()["complete"] is False


def test_a_batch_is_not_complete_while_receipts_are_awaited_and_is_when_nobody_waits_any_more(
    client: Client, application: Application
) -> None:
    batch = make_members(application, "sent", "delivered")
    Delivery.objects.filter(batch_id=batch).update(receipt_until=timezone.now() + timedelta(hours=1))
    body = client.get(f"/api/v1/batches/{batch}").json()
    assert (body["status"], body["complete"], body["awaiting_receipts"]) == ("in_progress", False, 1)
    Delivery.objects.filter(batch_id=batch).update(receipt_until=timezone.now() - timedelta(seconds=1))
    body = client.get(f"/api/v1/batches/{batch}").json()
    assert (body["status"], body["complete"], body["awaiting_receipts"]) == ("complete", True, 0)


def test_a_batch_with_failures_is_complete_and_says_so_apart(client: Client, application: Application) -> None:
    batch = make_members(application, "sent", "delivered", "failed", "held", "suppressed", "cancelled")
    body = client.get(f"/api/v1/batches/{batch}").json()
    assert (body["status"], body["complete"], body["failures"]) == ("complete", True, 1)


def test_an_empty_batch_is_complete(client: Client, application: Application) -> None:
    body = client.get(f"/api/v1/batches/{make_members(application)}").json()
    assert (body["status"], body["deliveries"]) == ("complete", 0)


def test_status_callbacks_are_not_counted(client: Client, application: Application) -> None:
    batch = make_batch(application)
    one = make_notification(application, batch=batch)
    make_delivery(one, "sent")
    make_delivery(one, "queued", channel="webhook", kind=DeliveryKind.CALLBACK)
    body = client.get(f"/api/v1/batches/{batch.id}").json()
    assert (body["deliveries"], body["complete"]) == (1, True)


def test_a_delivery_made_days_after_its_batch_is_counted(client: Client, application: Application) -> None:
    batch = make_batch(application, at=factories.now() - timedelta(days=5))
    one = make_notification(application, batch=batch, at=batch.created_at)
    make_delivery(one, "failed")
    make_delivery(one, "queued", channel="sms", step=1, at=factories.now())
    body = client.get(f"/api/v1/batches/{batch.id}").json()
    assert (body["deliveries"], body["complete"]) == (2, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_the_applications_own_is_not_found(client: Client, method: str) -> None:
    other = make_batch(make_application())
    suffix = "/cancel" if method == "POST" else ""
    answers = [
        client.generic(method, f"/api/v1/batches/{wanted}{suffix}")
        for wanted in (other.id, uuid.uuid4(), uuid.UUID(int=2**128 - 1), "nonsense")
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert {answer.json()["detail"] for answer in answers} == {"There is no batch with this id."}


def test_cancelling_a_batch_leaves_what_was_handed_over(client: Client, application: Application) -> None:
    batch = make_members(application, "queued", "scheduled", "sending", "sent")
    response = client.generic("POST", f"/api/v1/batches/{batch}/cancel")
    assert response.status_code == 200, response.content
    BatchShape.model_validate_json(response.content)
    body = response.json()
    assert (body["counts"]["cancelled"], body["counts"]["sending"], body["counts"]["sent"]) == (2, 1, 1)
    assert body["status"] == "in_progress"


def test_a_cancelled_batch_says_so_when_nothing_is_in_flight(client: Client, application: Application) -> None:
    batch = make_members(application, "queued", "sent")
    assert client.generic("POST", f"/api/v1/batches/{batch}/cancel").json()["status"] == "cancelled"
    body = client.get(f"/api/v1/batches/{batch}").json()
    assert (body["status"], body["complete"]) == ("cancelled", True)


def test_cancelling_a_batch_with_nothing_left_is_a_conflict(client: Client, application: Application) -> None:
    batch = make_members(application, "sent", "failed")
    response = client.generic("POST", f"/api/v1/batches/{batch}/cancel")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert client.get(f"/api/v1/batches/{batch}").json()["status"] == "complete"


def test_cancelling_again_with_the_same_key_replays_the_answer(client: Client, application: Application) -> None:
    batch = make_members(application, "queued")
    headers = {"Idempotency-Key": "once"}
    first, second = (client.generic("POST", f"/api/v1/batches/{batch}/cancel", headers=headers) for _turn in range(2))
    assert second["Idempotent-Replayed"] == "true"
    assert first.content == second.content


def test_a_step_that_another_channel_took_over_from_is_no_failure(client: Client, application: Application) -> None:
    batch = factories.make_batch(application, accepted=2)
    rescued, lost = (
        factories.make_notification(application, batch=batch, channels=["sms", "email"], route="first")
        for _ in range(2)
    )
    factories.make_delivery(rescued, "failed", channel="sms")
    factories.make_delivery(rescued, "sent", channel="email", step=1)
    factories.make_delivery(lost, "failed", channel="sms")
    factories.make_delivery(lost, "failed", channel="email", step=1)
    body = client.get(f"/api/v1/batches/{batch.id}").json()
    assert (body["counts"]["failed"], body["failures"]) == (3, 1)


def test_a_message_that_another_channel_stood_in_for_is_no_failure(client: Client, application: Application) -> None:
    batch = factories.make_batch(application, accepted=1)
    moved = factories.make_notification(application, batch=batch, channels=["sms"], route="all")
    factories.make_delivery(moved, "failed", channel="sms", error_code="switched")
    factories.make_delivery(moved, "sent", channel="email")
    body = client.get(f"/api/v1/batches/{batch.id}").json()
    assert (body["counts"]["failed"], body["failures"]) == (1, 0)


def test_of_a_message_that_goes_to_every_channel_each_failure_counts(client: Client, application: Application) -> None:
    batch = factories.make_batch(application, accepted=1)
    both = factories.make_notification(application, batch=batch, channels=["sms", "email"], route="all")
    factories.make_delivery(both, "failed", channel="sms")
    factories.make_delivery(both, "sent", channel="email", step=1)
    assert client.get(f"/api/v1/batches/{batch.id}").json()["failures"] == 1
