"""POST notifications: what is accepted is stored and rung for; what is refused leaves nothing behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from channels.models import Channel
from notify import templating
from notify.models import Application, Delivery, IdempotencyRecord, Notification
from tests.factories import make_application, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
URL = "/api/v1/notifications"
EMAIL: dict[str, Any] = {
    "to": {"email": "alice@example.com"},
    "channels": ["email"],
    "content": {"subject": "Hi", "text": "Hello"},
}


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def post(application: Application) -> Any:
    key, client = make_key(application), Client()

    def send(body: Any, *, url: str = URL, **headers: str) -> Any:
        return client.post(
            url, data=body, content_type="application/json", headers={"Authorization": f"Bearer {key}", **headers}
        )

    return send


@pytest.fixture
def otp() -> None:
    templating.publish(
        application=None,
        key="otp",
        category="security",
        contents={
            "sms": {"zh-CN": {"text": "验证码 {{ code }}"}, "en": {"text": "Your code is {{ code }}"}},
            "email": {"en": {"subject": "Code {{ code }}", "html": "<p>{{ code }}</p>"}},
        },
        default_locale="en",
        author="test",
        now=datetime.now(UTC),
    )


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_an_accepted_notification_is_stored_with_its_delivery(post: Any) -> None:
    response = post(EMAIL)
    assert response.status_code == 202
    body = response.json()
    assert set(body) == {"id", "status", "created_at", "deliveries"}
    assert body["status"] == "queued"
    (delivery,) = body["deliveries"]
    assert delivery["to"] == "a***e@example.com"
    stored = Delivery.objects.get(pk=delivery["id"])
    assert (stored.lane, stored.address, stored.status) == ("email.normal", "alice@example.com", "queued")
    assert str(stored.notification_id) == body["id"]


def test_every_channel_of_route_all_has_its_delivery(post: Any) -> None:
    body = {**EMAIL, "to": {"email": "a@example.com", "phone": "+8613800001234"}, "channels": ["sms", "email"]}
    deliveries = post(body).json()["deliveries"]
    assert [delivery["channel"] for delivery in deliveries] == ["sms", "email"]


def test_route_first_begins_with_one_delivery_and_the_time_of_its_step(post: Any) -> None:
    Channel.objects.create(name="sms", step_deadline_s=30)
    to = {"email": "a@example.com", "phone": "+8613800001234"}
    (delivery,) = post({**EMAIL, "to": to, "channels": ["sms", "email"], "route": "first"}).json()["deliveries"]
    stored = Delivery.objects.get(pk=delivery["id"])
    assert stored.channel == "sms"
    assert stored.step_deadline is not None
    assert 25 < (stored.step_deadline - stored.created_at).total_seconds() <= 60


@pytest.mark.usefixtures("otp")
def test_a_template_is_pinned_at_its_version_and_gives_its_category(post: Any) -> None:
    body = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "template": "otp", "params": {"code": "1"}}
    stored = Notification.objects.get(pk=post(body).json()["id"])
    assert stored.template_version is not None
    assert stored.template_version.number == 1
    assert stored.category == "security"


def test_a_scheduled_notification_waits_for_its_time(post: Any) -> None:
    response = post({**EMAIL, "send_at": in_hours(2)})
    assert response.json()["status"] == "scheduled"
    stored = Delivery.objects.get(pk=response.json()["deliveries"][0]["id"])
    assert stored.due_at > datetime.now(UTC) + timedelta(hours=1)
    assert stored.deadline > stored.due_at


@pytest.mark.parametrize(("given", "seconds"), [({"ttl_s": 300}, 300), ({}, 24 * 3600)])
def test_the_deadline_follows_from_the_ttl_or_the_priority(post: Any, given: dict[str, Any], seconds: int) -> None:
    stored = Delivery.objects.get(pk=post({**EMAIL, **given}).json()["deliveries"][0]["id"])
    assert (stored.deadline - stored.created_at).total_seconds() == seconds


def test_what_a_test_key_sends_is_marked_for_the_sandbox(application: Application) -> None:
    key = make_key(application, is_test=True)
    response = Client().post(URL, EMAIL, content_type="application/json", headers={"Authorization": f"Bearer {key}"})
    assert Delivery.objects.get(pk=response.json()["deliveries"][0]["id"]).is_test


def test_the_request_id_is_taken_over_and_kept(post: Any) -> None:
    response = post(EMAIL, **{"X-Request-ID": "from-the-client"})
    assert response.headers["X-Request-ID"] == "from-the-client"
    assert Notification.objects.get(pk=response.json()["id"]).request_id == "from-the-client"


def test_the_same_key_with_the_same_body_is_answered_with_the_first_answer(post: Any) -> None:
    first = post(EMAIL, **{"Idempotency-Key": "k1"})
    second = post(EMAIL, **{"Idempotency-Key": "k1"})
    assert second.status_code == 202
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Notification.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(post: Any) -> None:
    post(EMAIL, **{"Idempotency-Key": "k1"})
    response = post({**EMAIL, "ref": "other"}, **{"Idempotency-Key": "k1"})
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


def test_a_refused_request_does_not_use_up_its_key(post: Any) -> None:
    assert post({**EMAIL, "channels": ["fax"]}, **{"Idempotency-Key": "k1"}).status_code == 422
    assert not IdempotencyRecord.objects.exists()
    assert post(EMAIL, **{"Idempotency-Key": "k1"}).status_code == 202


def test_a_rate_limit_answers_429_with_when_to_come_back(application: Application, post: Any) -> None:
    Application.objects.filter(pk=application.pk).update(rate_limit="2/m")
    answers = [post(EMAIL) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert "RateLimit" in answers[0].headers
    assert Notification.objects.count() == 2


def test_a_daily_quota_answers_429(application: Application, post: Any) -> None:
    Application.objects.filter(pk=application.pk).update(daily_quota=1)
    assert post(EMAIL).status_code == 202
    response = post(EMAIL)
    assert (response.status_code, response.json()["code"]) == (429, "quota_exceeded")


PHONE: dict[str, Any] = {"to": {"phone": "+8613800001234"}, "channels": ["sms"]}
BAD: list[tuple[str, Any, int, str, str]] = [
    ("neither template nor content", {**PHONE}, 422, "template_or_content", ""),
    ("both template and content", {**EMAIL, "template": "otp"}, 422, "template_or_content", ""),
    ("unknown field", {**EMAIL, "colour": "red"}, 422, "unknown_field", "colour"),
    ("unknown field inside", {**EMAIL, "to": {"emial": "a@b.cd"}}, 422, "unknown_field", "to.emial"),
    ("wrong type", {**EMAIL, "channels": "email"}, 422, "wrong_type", "channels"),
    ("unknown channel", {**EMAIL, "channels": ["fax"]}, 422, "not_allowed", "channels[0]"),
    ("no channel", {**EMAIL, "channels": []}, 422, "too_short", "channels"),
    ("a channel twice", {**EMAIL, "channels": ["email", "email"]}, 422, "not_allowed", "channels"),
    ("address missing for its channel", {**EMAIL, "channels": ["email", "sms"]}, 422, "required", "to.phone"),
    ("not an email address", {**EMAIL, "to": {"email": "alice"}}, 422, "invalid_email", "to.email"),
    ("not a phone number", {**PHONE, "to": {"phone": "123"}, "content": {"text": "x"}}, 422, "", "to.phone"),
    ("unknown template", {**PHONE, "template": "nope"}, 422, "unknown_template", "template"),
    ("missing variable", {**PHONE, "template": "otp"}, 422, "missing_variable", "params.code"),
    (
        "surplus variable",
        {**PHONE, "template": "otp", "params": {"code": "1", "cod": "2"}},
        422,
        "unknown_variable",
        "params.cod",
    ),
    (
        "channel without content",
        {"to": {"user_id": "u"}, "channels": ["inapp"], "template": "otp", "params": {"code": "1"}},
        422,
        "no_content_for_channel",
        "channels[0]",
    ),
    ("email without subject", {**EMAIL, "content": {"text": "x"}}, 422, "required", "content.subject"),
    ("sms without text", {**PHONE, "content": {"subject": "x"}}, 422, "required", "content.text"),
    ("send_at past", {**EMAIL, "send_at": in_hours(-1)}, 422, "in_the_past", "send_at"),
    ("send_at in a year", {**EMAIL, "send_at": in_hours(24 * 365)}, 422, "too_far_ahead", "send_at"),
    ("send_at without zone", {**EMAIL, "send_at": "2027-01-01T00:00:00"}, 422, "timezone_required", "send_at"),
    ("send_at as a number", {**EMAIL, "send_at": 1893456000}, 422, "wrong_type", "send_at"),
    ("send_at as digits", {**EMAIL, "send_at": "1893456000"}, 422, "wrong_type", "send_at"),
    (
        "expires before send",
        {**EMAIL, "send_at": in_hours(2), "expires_at": in_hours(1)},
        422,
        "in_the_past",
        "expires_at",
    ),
    ("negative ttl", {**EMAIL, "ttl_s": -1}, 422, "out_of_range", "ttl_s"),
    (
        "header injection",
        {**EMAIL, "content": {"subject": "Hi\r\nBcc: all@example.com", "text": "x"}},
        422,
        "control_character",
        "content.subject",
    ),
    (
        "control character in text",
        {**EMAIL, "content": {"subject": "Hi", "text": "a\x00b"}},
        422,
        "control_character",
        "content.text",
    ),
    ("control character in ref", {**EMAIL, "ref": "a\nb"}, 422, "control_character", "ref"),
    ("NUL in metadata", {**EMAIL, "metadata": {"a": "x\x00"}}, 422, "control_character", "metadata"),
    ("line break in an address", {**EMAIL, "to": {"email": "a@example.com\nBcc: b@example.com"}}, 422, "", "to.email"),
    (
        "a variable of a megabyte",
        {**PHONE, "template": "otp", "params": {"code": "x" * 1_000_000}},
        422,
        "too_long",
        "params",
    ),
    ("a callback to this machine", {**EMAIL, "callback_url": "http://127.0.0.1/x"}, 422, "", "callback_url"),
    ("a callback that is no URL", {**EMAIL, "callback_url": "ftp://example.com"}, 422, "", "callback_url"),
    (
        "a webhook to a private address",
        {**PHONE, "to": {"url": "http://10.0.0.1/"}, "channels": ["webhook"], "content": {"text": "x"}},
        422,
        "",
        "to.url",
    ),
    ("a list instead of an object", [1, 2], 422, "wrong_type", ""),
    ("malformed JSON", "{", 400, "malformed_request", None),  # type: ignore[list-item]
    ("a lone surrogate", '{"ref": "\\ud800"}', 400, "malformed_request", None),  # type: ignore[list-item]
]


@pytest.mark.usefixtures("otp")
@pytest.mark.parametrize(("body", "status", "code", "path"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_answered_precisely_and_leaves_nothing(
    post: Any, settings: Any, body: Any, status: int, code: str, path: str | None
) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": False}
    response = post(body)
    problem = response.json()
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert set(problem) >= {"type", "title", "status", "detail", "code", "errors", "request_id"}
    if path is None:
        assert problem["code"] == code
    else:
        assert [error["path"] for error in problem["errors"]] == [path]
        assert not code or problem["errors"][0]["code"] == code
    assert "Traceback" not in response.text
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()


def test_a_body_over_the_limit_is_refused_before_it_is_read(post: Any) -> None:
    response = post({**EMAIL, "metadata": {"a": "x" * 3_000_000}})
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_another_content_type_is_refused(application: Application) -> None:
    response = Client().post(
        URL, "a=1", content_type="text/plain", headers={"Authorization": f"Bearer {make_key(application)}"}
    )
    assert response.status_code == 415


def test_a_channel_that_the_application_may_not_use_is_refused(application: Application, post: Any) -> None:
    Application.objects.filter(pk=application.pk).update(channels=["sms"])
    assert post(EMAIL).json()["errors"][0]["code"] == "channel_not_allowed"


def test_a_key_that_may_only_read_can_not_send(application: Application) -> None:
    key = make_key(application, "read")
    response = Client().post(URL, EMAIL, content_type="application/json", headers={"Authorization": f"Bearer {key}"})
    assert (response.status_code, response.json()["code"]) == (403, "missing_scope")


def test_an_unknown_address_of_the_api_is_a_problem_too() -> None:
    response = Client().get("/api/v1/nothing-here")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/problem+json")
