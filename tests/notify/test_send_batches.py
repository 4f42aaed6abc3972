"""POST notifications/batch, as JSON and as NDJSON: all of it or what was agreed, and never a part by accident."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from notify import templating
from notify.models import Application, Batch, Delivery, Notification
from tests.factories import make_application, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
URL = "/api/v1/notifications/batch"
HEAD: dict[str, Any] = {"channels": ["email"], "content": {"subject": "Hi", "text": "Hello"}, "priority": "bulk"}


def people(count: int) -> list[dict[str, Any]]:
    return [{"to": {"email": f"person{number}@example.com"}, "ref": f"r{number}"} for number in range(count)]


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def post(application: Application) -> Any:
    key, client = make_key(application), Client()

    def send(body: Any, *, content_type: str = "application/json", **headers: str) -> Any:
        return client.post(
            URL, data=body, content_type=content_type, headers={"Authorization": f"Bearer {key}", **headers}
        )

    return send


def lines(*values: Any) -> str:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values) + "\n"


@pytest.fixture
def stream(post: Any) -> Any:
    return lambda *values, **headers: post(lines(*values), content_type="application/x-ndjson", **headers)


def refused(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.text
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()
    assert not Batch.objects.exists()
    return [(error["path"], error["code"]) for error in response.json()["errors"]]


def test_every_recipient_has_a_notification_of_its_own(post: Any) -> None:
    response = post({**HEAD, "recipients": people(50)})
    assert response.status_code == 202
    body = response.json()
    assert body["accepted"] == 50
    assert body["rejected"] == []
    rows = Notification.objects.filter(batch_id=body["batch_id"])
    assert rows.count() == 50
    assert set(rows.values_list("ref", flat=True)) == {f"r{number}" for number in range(50)}
    assert Delivery.objects.filter(batch_id=body["batch_id"], lane="email.bulk").count() == 50


def test_what_all_have_in_common_is_stored_once(post: Any) -> None:
    body = post({**HEAD, "metadata": {"campaign": 1}, "recipients": people(3)}).json()
    batch = Batch.objects.get(pk=body["batch_id"])
    assert batch.content == {"subject": "Hi", "text": "Hello"}
    assert batch.metadata == {"campaign": 1}
    assert Notification.objects.filter(content__isnull=False).count() == 0


def test_a_recipient_s_parameters_win_over_the_batch_s(post: Any) -> None:
    templating.publish(
        application=None,
        key="hello",
        category="",
        contents={"email": {"en": {"subject": "Hi", "text": "{{ name }} in {{ town }}"}}},
        default_locale="en",
        author="test",
        now=datetime.now(UTC),
    )
    recipients = [{"to": {"email": "a@example.com"}, "params": {"name": "An"}}]
    head = {"channels": ["email"], "template": "hello", "params": {"town": "Xi'an", "name": "?"}}
    body = post({**head, "recipients": recipients}).json()
    assert Notification.objects.get(batch_id=body["batch_id"]).params == {"name": "An"}
    assert Batch.objects.get(pk=body["batch_id"]).params == {"town": "Xi'an", "name": "?"}


def test_one_fault_refuses_the_batch_and_every_fault_is_named(post: Any) -> None:
    recipients = people(10)
    recipients[3]["to"] = {"email": "nobody"}
    recipients[7] = {"to": {}, "colour": 1}
    assert refused(post({**HEAD, "recipients": recipients})) == [
        ("recipients[3].to.email", "invalid_email"),
        ("recipients[7].colour", "unknown_field"),
    ]


def test_with_skip_the_faulty_are_left_out_and_reported(post: Any) -> None:
    recipients = people(10)
    recipients[3]["to"] = {"email": "nobody"}
    body = post({**HEAD, "on_invalid": "skip", "recipients": recipients}).json()
    assert body["accepted"] == 9
    assert [(entry["index"], entry["errors"][0]["path"]) for entry in body["rejected"]] == [(3, "to.email")]
    assert Batch.objects.get(pk=body["batch_id"]).rejected == 1


def test_a_batch_in_which_nobody_is_left_is_refused(post: Any) -> None:
    assert refused(post({**HEAD, "on_invalid": "skip", "recipients": [{"to": {"email": "x"}}]}))


def test_ten_thousand_and_one_recipients_are_too_many(post: Any) -> None:
    assert refused(post({**HEAD, "recipients": people(10_001)})) == [("recipients", "too_long")]


def test_a_batch_larger_than_what_the_quota_leaves_is_refused_whole(application: Application, post: Any) -> None:
    Application.objects.filter(pk=application.pk).update(daily_quota=5)
    assert post({**HEAD, "recipients": people(6)}).status_code == 429
    assert not Notification.objects.exists()
    assert post({**HEAD, "recipients": people(5)}).status_code == 202


def test_a_batch_is_idempotent(post: Any) -> None:
    first = post({**HEAD, "recipients": people(5)}, **{"Idempotency-Key": "b1"})
    second = post({**HEAD, "recipients": people(5)}, **{"Idempotency-Key": "b1"})
    assert first.json() == second.json()
    assert Notification.objects.count() == 5


def test_a_stream_is_a_batch(stream: Any) -> None:
    response = stream(HEAD, *people(2500))
    assert response.status_code == 202, response.text
    assert response.json()["accepted"] == 2500
    assert Notification.objects.filter(batch_id=response.json()["batch_id"]).count() == 2500


def test_a_bad_line_in_the_middle_refuses_the_stream_with_its_number(stream: Any) -> None:
    entries: Iterable[Any] = [*people(3), '{"to": {"email": ', *people(3)]
    response = stream(HEAD, *entries)
    assert refused(response) == [("lines[5]", "malformed_json")]
    assert "Line 5" in response.json()["errors"][0]["detail"]


def test_blank_lines_do_not_count_and_the_numbers_stay_those_of_the_lines(post: Any) -> None:
    text = lines(HEAD) + "\n" + lines(*people(1)) + "\n\n" + lines({"to": {"email": "nobody"}}) + "\n\n"
    assert refused(post(text, content_type="application/x-ndjson")) == [("lines[6].to.email", "invalid_email")]
    good = lines(HEAD, *people(2)) + "\n\n"
    assert post(good, content_type="application/x-ndjson").json()["accepted"] == 2


def test_a_faulty_recipient_of_a_stream_is_named_by_its_line(stream: Any) -> None:
    assert refused(stream(HEAD, *people(2500), {"to": {"email": "nobody"}})) == [
        ("lines[2502].to.email", "invalid_email")
    ]


def test_with_skip_bad_lines_of_a_stream_are_left_out(stream: Any) -> None:
    body = stream({**HEAD, "on_invalid": "skip"}, *people(2), "not json", *people(2)).json()
    assert body["accepted"] == 4
    assert [(entry["index"], entry["errors"][0]["code"]) for entry in body["rejected"]] == [(2, "malformed_json")]


def test_a_line_that_is_too_long_is_a_fault_of_that_line_only(stream: Any) -> None:
    long = {"to": {"email": "a@example.com"}, "metadata": {"x": "y" * 200_000}}
    body = stream({**HEAD, "on_invalid": "skip"}, *people(1), long, *people(1)).json()
    assert body["accepted"] == 2
    assert [entry["index"] for entry in body["rejected"]] == [1]


def test_a_stream_is_idempotent_too(stream: Any) -> None:
    first = stream(HEAD, *people(3), **{"Idempotency-Key": "s1"})
    second = stream(HEAD, *people(3), **{"Idempotency-Key": "s1"})
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()
    assert Notification.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [("\n", 400), ("{\n", 400), (lines({"channels": ["email"]}), 422), (lines(HEAD), 422)],
    ids=["blank head", "malformed head", "head with faults", "nobody"],
)
def test_a_stream_without_a_good_head_or_recipients_is_refused(post: Any, body: str, status: int) -> None:
    response = post(body, content_type="application/x-ndjson")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert not Notification.objects.exists()


def test_more_lines_than_a_stream_may_have_are_refused(stream: Any, settings: Any) -> None:
    settings.NOTIFY = {**settings.NOTIFY, "MAX_STREAM_RECIPIENTS": 5}
    assert refused(stream(HEAD, *people(6))) == [("lines[7]", "too_long")]
