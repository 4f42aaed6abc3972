"""Dead letters as applications read, replay and discard them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from notify.api.shapes import DeadLetterPage, DiscardedShape, ReplayedShape
from notify.models import Application, DeadLetter, Delivery
from tests import factories
from tests.factories import (
    make_application,
    make_attempt,
    make_client,
    make_dead_letter,
    make_delivery,
    make_notification,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def bury(application: Application, *, channel: str = "email", status: str = "dead", **values: Any) -> DeadLetter:
    one = make_notification(application, channels=[channel])
    return make_dead_letter(make_delivery(one, status, channel=channel), **values)


def listed(client: Client, **query: Any) -> list[str]:
    response = client.get("/api/v1/dead-letters", query)
    assert response.status_code == 200, response.content
    DeadLetterPage.model_validate_json(response.content)
    return [row["id"] for row in response.json()["results"]]


def post(client: Client, verb: str, body: Any, **headers: str) -> HttpResponse:
    return client.post(f"/api/v1/dead-letters/{verb}", body, content_type="application/json", headers=headers)


# --- the list ---------------------------------------------------------------------------------------------------------


def test_a_dead_letter_comes_with_every_attempt(client: Client, application: Application) -> None:
    letter = bury(application, provider="email-a", reason="attempts_used_up", detail="alice@example.com is gone")
    dead = Delivery.objects.get(pk=letter.delivery_id)
    start = dead.created_at
    make_attempt(dead, "unavailable", at=start, error_detail="HTTP 503", retry_at=start + timedelta(seconds=2))
    make_attempt(dead, "outcome_unknown", at=start + timedelta(seconds=2), number=2)
    make_attempt(make_delivery(make_notification(application), "sent"))
    response = client.get("/api/v1/dead-letters")
    DeadLetterPage.model_validate_json(response.content)
    (body,) = response.json()["results"]
    assert (body["id"], body["delivery_id"]) == (str(letter.id), str(dead.id))
    assert (body["reason"], body["provider"], body["detail"]) == (
        "attempts_used_up",
        "email-a",
        "a***e@example.com is gone",
    )
    assert [(each["attempt"], each["outcome"], each["detail"]) for each in body["history"]] == [
        (1, "unavailable", "HTTP 503"),
        (2, "outcome_unknown", None),
    ]


def test_open_ones_are_listed_newest_first_unless_others_are_asked_for(
    client: Client, application: Application
) -> None:
    first, second = bury(application), bury(application)
    replayed = bury(application, state="replayed")
    bury(make_application())
    assert listed(client) == [str(second.id), str(first.id)]
    assert listed(client, state="replayed") == [str(replayed.id)]
    assert listed(client, state="discarded") == []


def test_each_filter_finds_what_it_says(client: Client, application: Application) -> None:
    start = factories.now() - timedelta(hours=2)
    wanted = bury(application, channel="sms", provider="sms-a", reason="deadline", at=start)
    bury(application, channel="email", provider="email-a", at=factories.now())
    for query in (
        {"channel": "sms"},
        {"provider": "sms-a"},
        {"reason": "deadline"},
        {"created_before": (start + timedelta(milliseconds=1)).isoformat()},
        {"channel": "sms", "created_after": start.isoformat()},
    ):
        assert listed(client, **query) == [str(wanted.id)], query


def test_pages_follow_each_other_to_the_end(client: Client, application: Application) -> None:
    letters = [str(bury(application).id) for _number in range(5)]
    first = client.get("/api/v1/dead-letters", {"limit": 3}).json()
    last = client.get("/api/v1/dead-letters", {"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["results"] + last["results"]] == letters[::-1]
    assert "next_cursor" not in last


def test_a_page_costs_three_queries_however_long_the_histories(
    client: Client, application: Application, django_assert_max_num_queries: Any
) -> None:
    for _number in range(20):
        dead = Delivery.objects.get(pk=bury(application).delivery_id)
        for number in range(1, 4):
            make_attempt(dead, "unavailable", number=number)
    client.get("/api/v1/dead-letters")  # the key's use is noted once a minute
    with django_assert_max_num_queries(3):  # the key, the page, its attempts
        assert len(client.get("/api/v1/dead-letters").json()["results"]) == 20


@pytest.mark.parametrize(
    ("query", "path"), [({"state": "lost"}, "state"), ({"channel": "pigeon"}, "channel"), ({"who": "me"}, "who")]
)
def test_a_query_that_is_not_understood_is_refused(client: Client, query: dict[str, str], path: str) -> None:
    response = client.get("/api/v1/dead-letters", query)
    assert response.status_code == 422
    assert [error["path"] for error in response.json()["errors"]] == [path]


# --- replay and discard -----------------------------------------------------------------------------------------------


def test_replaying_brings_a_delivery_back_to_its_lane(client: Client, application: Application) -> None:
    letter = bury(application)
    response = post(client, "replay", {"ids": [str(letter.id)]})
    assert response.status_code == 200, response.content
    ReplayedShape.model_validate_json(response.content)
    assert response.json() == {"matched": 1, "replayed": 1, "skipped": []}
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by.partition("/")[0]) == ("replayed", application.name)
    assert Delivery.objects.get(pk=letter.delivery_id).status == "queued"
    events = client.get(f"/api/v1/notifications/{letter.notification_id}/timeline").json()["events"]
    assert events[-1]["type"] == "replayed"


def test_discarding_closes_it_for_good(client: Client, application: Application) -> None:
    letter = bury(application)
    response = post(client, "discard", {"ids": [str(letter.id)]})
    DiscardedShape.model_validate_json(response.content)
    assert response.json() == {"matched": 1, "discarded": 1, "skipped": []}
    letter.refresh_from_db()
    assert letter.state == "discarded"
    assert Delivery.objects.get(pk=letter.delivery_id).status == "dead"


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_another_applications_are_as_unknown_as_those_that_never_were(
    client: Client, application: Application, verb: str
) -> None:
    other = bury(make_application())
    never = uuid.uuid4()
    body = post(client, verb, {"ids": [str(other.id), str(never)]}).json()
    assert body["matched"] == 0
    assert {each["id"] for each in body["skipped"]} == {str(other.id), str(never)}
    assert len({each["reason"] for each in body["skipped"]}) == 1
    other.refresh_from_db()
    assert other.state == "open"


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_what_was_dealt_with_before_is_skipped(client: Client, application: Application, verb: str) -> None:
    letter = bury(application)
    assert post(client, verb, {"ids": [str(letter.id)]}).json()["skipped"] == []
    again = post(client, verb, {"ids": [str(letter.id)]}).json()
    assert [each["id"] for each in again["skipped"]] == [str(letter.id)]
    assert again[f"{verb}ed"] == 0


@pytest.mark.parametrize(("verb", "done"), [("replay", "replayed"), ("discard", "discarded")])
def test_a_filter_takes_the_applications_open_ones_that_match(
    client: Client, application: Application, verb: str, done: str
) -> None:
    wanted = bury(application, channel="sms", provider="sms-a")
    others = [
        bury(application, channel="email"),
        bury(application, channel="sms", provider="sms-b"),
        bury(make_application(), channel="sms", provider="sms-a"),
    ]
    body = post(client, verb, {"filter": {"channel": "sms", "provider": "sms-a"}}).json()
    assert (body["matched"], body[done]) == (1, 1)
    assert DeadLetter.objects.get(pk=wanted.id).state == done
    assert {DeadLetter.objects.get(pk=other.id).state for other in others} == {"open"}


def test_an_empty_filter_takes_all_of_the_applications_own(client: Client, application: Application) -> None:
    mine = [bury(application), bury(application, channel="sms")]
    other = bury(make_application())
    assert post(client, "discard", {"filter": {}}).json()["discarded"] == 2
    assert {DeadLetter.objects.get(pk=one.id).state for one in mine} == {"discarded"}
    assert DeadLetter.objects.get(pk=other.id).state == "open"


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "", "invalid"),
        ({"ids": [str(uuid.UUID(int=1))], "filter": {}}, "", "invalid"),
        ({"ids": []}, "ids", "too_short"),
        ({"ids": [str(uuid.UUID(int=number)) for number in range(1001)]}, "ids", "too_long"),
        ({"ids": ["17"]}, "ids[0]", "wrong_format"),
        ({"ids": "17"}, "ids", "wrong_type"),
        ({"filter": {"colour": "red"}}, "filter.colour", "unknown_field"),
        ({"filter": {"channel": "pigeon"}}, "filter.channel", "not_allowed"),
        ({"filter": {"created_after": "2026-01-01T00:00:00"}}, "filter.created_after", "timezone_required"),
        ({"all": True}, "all", "unknown_field"),
        ([], "", "wrong_type"),
    ],
)
def test_a_body_that_is_not_understood_is_refused_and_changes_nothing(
    client: Client, application: Application, verb: str, body: Any, path: str, code: str
) -> None:
    letter = bury(application)
    response = post(client, verb, body)
    assert response.status_code == 422, response.content
    assert [(error["path"], error["code"]) for error in response.json()["errors"]] == [(path, code)]
    letter.refresh_from_db()
    assert letter.state == "open"


def test_the_same_idempotency_key_replays_the_answer(client: Client, application: Application) -> None:
    letter = bury(application)
    first, second = (post(client, "replay", {"ids": [str(letter.id)]}, **{"Idempotency-Key": "x"}) for _ in range(2))
    assert second["Idempotent-Replayed"] == "true"
    assert first.content == second.content


@pytest.mark.parametrize(("scope", "status"), [("dead_letters", 200), ("send", 200), ("read", 403), ("templates", 403)])
def test_replay_and_discard_need_a_scope_that_covers_them(application: Application, scope: str, status: int) -> None:
    client = make_client(application, scope)
    for verb in ("replay", "discard"):
        assert post(client, verb, {"ids": [str(bury(application).id)]}).status_code == status
