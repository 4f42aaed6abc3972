"""A test key sees and changes what test keys sent, and nothing else; a live key changes nothing of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from notify.api.shapes import BatchShape, DeadLetterPage, NotificationShape
from notify.models import Application, DeadLetter, Delivery, Notification
from tests.factories import (
    make_application,
    make_batch,
    make_client,
    make_dead_letter,
    make_delivery,
    make_key,
    make_notification,
)

pytestmark = pytest.mark.django_db

SEND: dict[str, Any] = {
    "to": {"email": "a@example.com"},
    "channels": ["email"],
    "content": {"subject": "s", "text": "t"},
}


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def live(application: Application) -> Client:
    return make_client(application)


@pytest.fixture
def test(application: Application) -> Client:
    key = make_key(application, is_test=True)
    return Client(headers={"Authorization": f"Bearer {key}"})


def make_one(application: Application, *, is_test: bool, status: str = "queued", **values: Any) -> Notification:
    row = make_notification(application, is_test=is_test, **values)
    make_delivery(row, status, is_test=is_test)
    return row


def bury(application: Application, *, is_test: bool) -> DeadLetter:
    row = make_notification(application, is_test=is_test)
    return make_dead_letter(make_delivery(row, "dead", is_test=is_test))


def ids(response: Any) -> set[str]:
    assert response.status_code == 200, response.content
    return {row["id"] for row in response.json()["results"]}


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(f"/api/v1/{path}", body or {}, content_type="application/json")


@pytest.mark.parametrize("path", ["", "/timeline"])
def test_a_test_key_does_not_find_what_was_sent_live(application: Application, test: Client, path: str) -> None:
    row = make_one(application, is_test=False)

    assert test.get(f"/api/v1/notifications/{row.id}{path}").status_code == 404


def test_a_live_key_reads_both_and_is_told_which_is_which(application: Application, live: Client) -> None:
    real, tried = make_one(application, is_test=False), make_one(application, is_test=True)

    answers = [live.get(f"/api/v1/notifications/{row.id}") for row in (real, tried)]

    assert [answer.json()["test"] for answer in answers] == [False, True]
    for answer in answers:
        NotificationShape.model_validate_json(answer.content)
    assert ids(live.get("/api/v1/notifications")) == {str(real.id), str(tried.id)}


def test_a_test_key_lists_what_test_keys_sent(application: Application, test: Client) -> None:
    make_one(application, is_test=False)
    tried = make_one(application, is_test=True)

    assert ids(test.get("/api/v1/notifications")) == {str(tried.id)}


def test_a_test_key_finds_its_own_behind_more_live_ones_than_one_search_looks_at(
    application: Application, test: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.queries.WINDOW", 2)
    tried = make_one(application, is_test=True)
    for _ in range(5):
        make_one(application, is_test=False)

    found, cursor = set[str](), ""
    for _ in range(5):
        page = test.get("/api/v1/notifications", {"cursor": cursor} if cursor else {})
        found |= ids(page)
        cursor = page.json().get("next_cursor", "")
        if not cursor:
            break

    assert found == {str(tried.id)}
    assert not cursor


def test_a_test_key_can_not_cancel_what_was_sent_live(application: Application, test: Client) -> None:
    row = make_one(application, is_test=False)

    assert post(test, f"notifications/{row.id}/cancel").status_code == 404
    assert Delivery.objects.get(notification=row).status == "queued"


def test_a_live_key_may_not_cancel_what_a_test_key_sent(application: Application, live: Client) -> None:
    row = make_one(application, is_test=True)

    response = post(live, f"notifications/{row.id}/cancel")

    assert (response.status_code, response.json()["code"]) == (403, "test_data")
    assert Delivery.objects.get(notification=row).status == "queued"


def test_a_test_key_cancels_its_own(application: Application, test: Client) -> None:
    row = make_one(application, is_test=True)

    assert post(test, f"notifications/{row.id}/cancel").status_code == 200


def test_a_batch_belongs_to_the_kind_of_key_that_sent_it(application: Application, live: Client, test: Client) -> None:
    real, tried = make_batch(application), make_batch(application)
    make_one(application, is_test=False, batch=real)
    make_one(application, is_test=True, batch=tried)

    assert test.get(f"/api/v1/batches/{real.id}").status_code == 404
    assert post(test, f"batches/{real.id}/cancel").status_code == 404
    assert post(live, f"batches/{tried.id}/cancel").status_code == 403
    shown = [live.get(f"/api/v1/batches/{row.id}") for row in (real, tried)]
    assert [answer.json()["test"] for answer in shown] == [False, True]
    BatchShape.model_validate_json(shown[0].content)
    assert post(test, f"batches/{tried.id}/cancel").status_code == 200
    assert post(live, f"batches/{real.id}/cancel").status_code == 200


def test_dead_letters_are_listed_to_a_test_key_if_test_keys_sent_them(
    application: Application, live: Client, test: Client
) -> None:
    real, tried = bury(application, is_test=False), bury(application, is_test=True)

    assert ids(test.get("/api/v1/dead-letters")) == {str(tried.id)}
    page = live.get("/api/v1/dead-letters")
    assert {row["id"]: row["test"] for row in page.json()["results"]} == {str(real.id): False, str(tried.id): True}
    DeadLetterPage.model_validate_json(page.content)


def test_a_test_key_finds_its_dead_letter_behind_more_live_ones_than_one_search_looks_at(
    application: Application, test: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.queries.WINDOW", 2)
    tried = bury(application, is_test=True)
    for _ in range(5):
        bury(application, is_test=False)

    found, cursor = set[str](), ""
    for _ in range(5):
        page = test.get("/api/v1/dead-letters", {"cursor": cursor} if cursor else {})
        found |= ids(page)
        cursor = page.json().get("next_cursor", "")
        if not cursor:
            break

    assert found == {str(tried.id)}
    assert not cursor


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize("acts_on_test", [False, True])
def test_dead_letters_of_the_other_kind_are_unknown_to_who_acts(
    application: Application, live: Client, test: Client, verb: str, acts_on_test: bool
) -> None:
    letters = {is_test: bury(application, is_test=is_test) for is_test in (False, True)}
    client = test if acts_on_test else live

    by_ids = post(client, f"dead-letters/{verb}", {"ids": [str(letters[not acts_on_test].id)]})
    by_filter = post(client, f"dead-letters/{verb}", {"filter": {}})

    assert [skipped["reason"] for skipped in by_ids.json()["skipped"]] == ["unknown"]
    assert by_filter.json()["matched"] == 1
    states = {row.id: row.state for row in DeadLetter.objects.all()}
    assert states[letters[not acts_on_test].id] == "open"
    assert states[letters[acts_on_test].id] != "open"


def test_an_idempotency_key_of_a_test_key_is_not_that_of_a_live_one(
    application: Application, live: Client, test: Client
) -> None:
    for client in (test, live, live, test):
        answer = client.post(
            "/api/v1/notifications", SEND, content_type="application/json", headers={"Idempotency-Key": "k-1"}
        )
        assert answer.status_code == 202

    assert sorted(Notification.objects.values_list("is_test", flat=True)) == [False, True]
    assert UUID(answer.json()["id"]) == Notification.objects.get(is_test=True).id
