"""Peak shaving as a client meets it: 429 with when to come back, nothing stored, and critical always through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notify import saturation
from notify.models import Application, Batch, LaneLoad, Notification
from tests.factories import make_application, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
URL = "/api/v1/notifications"
SMS: dict[str, Any] = {
    "to": {"phone": "+8613800001234"},
    "channels": ["sms"],
    "content": {"text": "Hello"},
    "priority": "bulk",
}
HEAD = {name: value for name, value in SMS.items() if name != "to"}


@pytest.fixture(autouse=True)
def _fresh(settings: Any) -> Iterator[None]:
    settings.LANES = {**settings.LANES, "LIMITS": {"bulk": (100, 200), "normal": (1_000, 2_000)}}
    saturation.forget()
    yield
    saturation.forget()


@pytest.fixture
def application() -> Application:
    return make_application(daily_quota=1000)


@pytest.fixture
def post(application: Application) -> Any:
    key, client = make_key(application), Client()

    def send(body: Any, *, url: str = URL, content_type: str = "application/json", **headers: str) -> Any:
        return client.post(
            url, data=body, content_type=content_type, headers={"Authorization": f"Bearer {key}", **headers}
        )

    return send


def fill(lane: str, depth: int, *, per_second: float | None = 10.0) -> None:
    """The lane was measured to be as deep as this."""
    now = timezone.now()
    LaneLoad.objects.update_or_create(
        lane=lane,
        defaults={
            "depth": depth,
            "per_second": per_second,
            "measured_at": now,
            "again_at": now + timedelta(seconds=1),
        },
    )
    saturation.forget()


def ndjson(*recipients: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(line) for line in ({**HEAD}, *recipients)).encode()


def test_a_lane_at_its_hard_limit_refuses_with_when_to_come_back(post: Any) -> None:
    fill("sms.bulk", 250)
    response = post(SMS)
    assert response.status_code == 429
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "lane_saturated"
    assert response.json()["detail"] == (
        "250 messages wait in the lane sms.bulk; its hard limit is 200. Nothing was stored."
    )
    assert 15 <= int(response["Retry-After"]) <= 23
    assert response["RateLimit"] == f'"sms.bulk";r=0;t={response["Retry-After"]}'
    assert response["RateLimit-Policy"] == '"sms.bulk";q=200'
    assert not Notification.objects.exists()


def test_a_slowed_lane_takes_some_and_names_its_soft_limit(post: Any) -> None:
    fill("sms.bulk", 150)
    answers = [post(SMS) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {202, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "soft limit is 100" in refused.json()["detail"]
    assert Notification.objects.count() == sum(answer.status_code == 202 for answer in answers)


def test_critical_passes_a_full_channel(post: Any) -> None:
    for priority in ("bulk", "normal", "critical"):
        fill(f"sms.{priority}", 10**9)
    assert post({**SMS, "priority": "critical"}).status_code == 202


def test_normal_has_limits_of_its_own(post: Any) -> None:
    fill("sms.normal", 999)
    assert post({**SMS, "priority": "normal"}).status_code == 202
    fill("sms.normal", 2_000)
    assert post({**SMS, "priority": "normal"}).status_code == 429


def test_a_refusal_uses_up_no_quota(post: Any) -> None:
    fill("sms.bulk", 250)
    post(SMS)
    fill("sms.bulk", 0)
    assert '"daily";r=999' in post(SMS)["RateLimit"]


def test_a_test_key_is_treated_alike(application: Application) -> None:
    fill("sms.bulk", 250)
    key = make_key(application, is_test=True)
    answer = Client().post(URL, SMS, content_type="application/json", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 429


def test_an_answer_that_was_given_is_given_again(post: Any) -> None:
    first = post(SMS, **{"Idempotency-Key": "k-1"})
    fill("sms.bulk", 250)
    again = post(SMS, **{"Idempotency-Key": "k-1"})
    assert (again.status_code, again.content) == (202, first.content)
    assert again["Idempotent-Replayed"] == "true"


def test_after_a_refusal_the_same_key_may_be_used_again(post: Any) -> None:
    fill("sms.bulk", 250)
    assert post(SMS, **{"Idempotency-Key": "k-1"}).status_code == 429
    fill("sms.bulk", 0)
    again = post(SMS, **{"Idempotency-Key": "k-1"})
    assert again.status_code == 202
    assert "Idempotent-Replayed" not in again.headers


def test_a_batch_is_taken_or_refused_whole(post: Any) -> None:
    batch = {**HEAD, "recipients": [{"to": SMS["to"]}] * 5}
    fill("sms.bulk", 250)
    assert post(batch, url=f"{URL}/batch").status_code == 429
    assert not Batch.objects.exists()
    fill("sms.bulk", 150)
    answers = [post(batch, url=f"{URL}/batch").status_code for _ in range(40)]
    assert set(answers) == {202, 429}
    assert Notification.objects.count() == 5 * answers.count(202)


def test_a_batch_that_is_refused_closes_the_lane_to_nobody(post: Any, django_capture_on_commit_callbacks: Any) -> None:
    poor = make_key(make_application(daily_quota=1))
    batch = {**HEAD, "recipients": [{"to": SMS["to"]}] * 250}
    with django_capture_on_commit_callbacks(execute=True):
        refused = Client().post(
            f"{URL}/batch", batch, content_type="application/json", headers={"Authorization": f"Bearer {poor}"}
        )
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert post(SMS).status_code == 202


def test_a_batch_that_was_taken_counts_before_anybody_has_measured(
    post: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        taken = post({**HEAD, "recipients": [{"to": SMS["to"]}] * 250}, url=f"{URL}/batch")
    assert taken.status_code == 202
    assert post(SMS).status_code == 429


def test_what_is_scheduled_fills_no_lane(post: Any, django_capture_on_commit_callbacks: Any) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    with django_capture_on_commit_callbacks(execute=True):
        post({**HEAD, "recipients": [{"to": SMS["to"]}] * 250, "send_at": tomorrow}, url=f"{URL}/batch")
    assert post(SMS).status_code == 202


def test_a_stream_is_refused_after_its_first_line(post: Any) -> None:
    fill("sms.bulk", 250)
    body = ndjson({"to": SMS["to"]}) + b"\nthis is no JSON"
    answer = post(body, url=f"{URL}/batch", content_type="application/x-ndjson")
    assert (answer.status_code, answer.json()["code"]) == (429, "lane_saturated")


def test_a_message_for_tomorrow_is_taken_today(post: Any) -> None:
    fill("sms.bulk", 250)
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    assert post({**SMS, "send_at": tomorrow}).status_code == 202


def test_the_description_tells_of_it() -> None:
    description = json.loads(Client().get("/api/schema/", headers={"Accept": "application/json"}).content)
    for path in ("/api/v1/notifications", "/api/v1/notifications/batch"):
        assert "lane_saturated" in description["paths"][path]["post"]["description"]
