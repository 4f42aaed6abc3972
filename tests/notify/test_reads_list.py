"""The list of notifications: pages, filters, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from notify import queries
from notify.api.shapes import NotificationPage
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


def listed(client: Client, **query: Any) -> list[str]:
    response = client.get("/api/v1/notifications", query)
    assert response.status_code == 200, response.content
    NotificationPage.model_validate_json(response.content)
    return [row["id"] for row in response.json()["results"]]


def test_the_list_holds_the_applications_own_newest_first(client: Client, application: Application) -> None:
    start = factories.now() - timedelta(minutes=5)
    mine = [make_notification(application, at=start + timedelta(seconds=second)) for second in range(3)]
    make_notification(make_application())
    assert listed(client) == [str(one.id) for one in reversed(mine)]


def test_pages_follow_each_other_to_the_end(client: Client, application: Application) -> None:
    mine = [str(make_notification(application).id) for _number in range(7)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    sizes = []
    while True:
        body = client.get("/api/v1/notifications", query).json()
        seen += [row["id"] for row in body["results"]]
        sizes.append(len(body["results"]))
        if "next_cursor" not in body:
            break
        query["cursor"] = body["next_cursor"]
    assert seen == mine[::-1]
    assert sizes == [3, 3, 1]


def test_a_full_last_page_has_no_cursor(client: Client, application: Application) -> None:
    for _number in range(3):
        make_notification(application)
    assert "next_cursor" not in client.get("/api/v1/notifications", {"limit": 3}).json()


def test_rows_that_come_meanwhile_do_not_move_the_pages(client: Client, application: Application) -> None:
    start = factories.now() - timedelta(minutes=1)
    mine = [str(make_notification(application, at=start + timedelta(seconds=second)).id) for second in range(4)]
    first = client.get("/api/v1/notifications", {"limit": 2}).json()
    make_notification(application)
    assert listed(client, limit=2, cursor=first["next_cursor"]) == [mine[1], mine[0]]


def test_each_filter_finds_what_it_says(client: Client, application: Application) -> None:
    batch = factories.make_batch(application)
    shared = factories.make_template("welcome")
    other = factories.make_template("goodbye", application=application)
    wanted = make_notification(application, batch=batch, ref="A-1", template_version=shared, channels=["email", "sms"])
    make_delivery(wanted, "sent", channel="email")
    make_delivery(wanted, "failed", channel="sms")
    unwanted = make_notification(application, ref="A-2", template_version=other)
    make_delivery(unwanted, "queued", channel="email")
    for query in (
        {"status": "sent"},
        {"channel": "sms"},
        {"batch_id": str(batch.id)},
        {"template": "welcome"},
        {"ref": "A-1"},
        {"status": "failed", "channel": "sms", "template": "welcome", "ref": "A-1", "batch_id": str(batch.id)},
    ):
        assert listed(client, **query) == [str(wanted.id)], query
    assert listed(client, status="held") == []
    assert listed(client, template="unheard-of") == []
    assert listed(client, batch_id="ffffffff-ffff-ffff-ffff-ffffffffffff") == []


def test_state_and_channel_together_mean_one_delivery(client: Client, application: Application) -> None:
    one = make_notification(application, channels=["email", "sms"])
    make_delivery(one, "sent", channel="email")
    make_delivery(one, "failed", channel="sms")
    assert listed(client, status="failed", channel="email") == []


def test_a_callbacks_state_is_not_the_notifications(client: Client, application: Application) -> None:
    one = make_notification(application)
    make_delivery(one, "sent")
    make_delivery(one, "dead", channel="webhook", kind=DeliveryKind.CALLBACK)
    assert listed(client, status="dead") == []
    assert listed(client, channel="webhook") == []


def test_times_are_exact_on_both_sides(client: Client, application: Application) -> None:
    start = factories.now() - timedelta(hours=3)
    before, at, later = (make_notification(application, at=start + timedelta(seconds=second)) for second in (-1, 0, 1))
    assert listed(client, created_after=start.isoformat()) == [str(later.id), str(at.id)]
    assert listed(client, created_before=start.isoformat()) == [str(before.id)]
    window = {"created_after": start.isoformat(), "created_before": later.created_at.isoformat()}
    assert listed(client, **window) == [str(at.id)]


def test_days_long_past_are_found_too(client: Client, application: Application) -> None:
    old = make_notification(application, at=factories.now() - timedelta(days=20))
    make_delivery(old, "delivered")
    assert listed(client, status="delivered") == [str(old.id)]
    assert client.get(f"/api/v1/notifications/{old.id}").json()["status"] == "delivered"


def test_a_search_stops_at_its_window_and_goes_on_from_there(
    client: Client, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "WINDOW", 3)
    mine = [make_notification(application) for _number in range(8)]
    for one, status in zip(mine, ["dead", *["sent"] * 6, "dead"], strict=True):
        make_delivery(one, status)
    found, sizes = [], []
    query: dict[str, Any] = {"status": "dead"}
    while True:
        body = client.get("/api/v1/notifications", query).json()
        found += [row["id"] for row in body["results"]]
        sizes.append(len(body["results"]))
        if "next_cursor" not in body:
            break
        query["cursor"] = body["next_cursor"]
    assert found == [str(mine[7].id), str(mine[0].id)]
    assert sizes == [1, 0, 1]


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ({"limit": "0"}, "limit", "out_of_range"),
        ({"limit": "201"}, "limit", "out_of_range"),
        ({"limit": "ten"}, "limit", "wrong_type"),
        ({"cursor": "nonsense"}, "cursor", "invalid_cursor"),
        ({"cursor": "é"}, "cursor", "invalid_cursor"),
        ({"cursor": "a" * 65}, "cursor", "too_long"),
        ({"status": "lost"}, "status", "not_allowed"),
        ({"status": ""}, "status", "not_allowed"),
        ({"channel": "pigeon"}, "channel", "not_allowed"),
        ({"batch_id": "17"}, "batch_id", "wrong_format"),
        ({"template": "\0"}, "template", "wrong_format"),
        ({"ref": "r" * 256}, "ref", "too_long"),
        ({"created_after": "yesterday"}, "created_after", "wrong_format"),
        ({"created_after": "2026-01-01T00:00:00"}, "created_after", "timezone_required"),
        ({"created_before": "0001-01-01T00:00:00Z"}, "created_before", "out_of_range"),
        ({"created_before": "9999-12-31T23:59:59Z"}, "created_before", "out_of_range"),
        ({"color": "red"}, "color", "unknown_field"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(client: Client, query: dict[str, str], path: str, code: str) -> None:
    response = client.get("/api/v1/notifications", query)
    assert response.status_code == 422, response.content
    assert [(error["path"], error["code"]) for error in response.json()["errors"]] == [(path, code)]


def test_a_page_costs_the_same_number_of_queries_whatever_is_on_it(
    client: Client, application: Application, django_assert_max_num_queries: Any
) -> None:
    version = factories.make_template("welcome", application=application)
    batch = factories.make_batch(application)
    for _number in range(30):
        one = make_notification(application, template_version=version, batch=batch)
        make_delivery(one, "sent")
        make_delivery(one, "failed", channel="sms")
    client.get("/api/v1/notifications")  # the key's use is noted once a minute
    with django_assert_max_num_queries(3):  # the key, the page, its deliveries
        client.get("/api/v1/notifications")
    with django_assert_max_num_queries(4):  # and where the search would have to stop
        body = client.get("/api/v1/notifications", {"status": "sent", "template": "welcome"}).json()
    assert len(body["results"]) == 30
    with django_assert_max_num_queries(3):
        client.get(f"/api/v1/notifications/{body['results'][0]['id']}")
    with django_assert_max_num_queries(5):
        client.get(f"/api/v1/notifications/{body['results'][0]['id']}/timeline")
