"""An Idempotency-Key: the same answer for the same request, once done, whatever happens in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.request import Request

from notify.api import idempotency
from notify.api.idempotency import Answer, run_idempotently
from notify.errors import IdempotencyKeyInFlight
from notify.models import Application, IdempotencyRecord
from tests.factories import make_application, make_client
from tests.notify import probe_urls

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.notify.probe_urls")]


@pytest.fixture
def client() -> Client:
    client = make_client(make_application())
    client.raise_request_exception = False
    return client


def make(client: Client, name: str, *, key: str | None = "k-1", **extra: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/v1/make", {"name": name, **extra}, content_type="application/json", headers=headers)


def made() -> int:
    return Application.objects.filter(name__startswith="made").count()


def test_the_same_request_gets_the_same_answer_and_is_done_once(client: Client) -> None:
    first = make(client, "made")
    again = make(client, "made")

    assert made() == 1
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert again["Content-Type"] == "application/json"
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert first["X-Moment"] == "now"


def test_another_body_with_the_same_key_is_refused(client: Client) -> None:
    make(client, "made")

    response = make(client, "made-other")

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert made() == 1


def test_another_address_with_the_same_key_is_refused(client: Client) -> None:
    make(client, "made")

    response = client.post(
        "/api/v1/make?again", {"name": "made"}, content_type="application/json", headers={"Idempotency-Key": "k-1"}
    )

    assert response.json()["code"] == "idempotency_key_reused"


def test_keys_of_different_applications_do_not_meet(client: Client) -> None:
    make(client, "made")

    assert make(make_client(make_application()), "made-too").status_code == 202
    assert made() == 2


def test_a_failure_is_undone_and_not_remembered(client: Client) -> None:
    assert make(client, "made", fail=True).status_code == 409
    assert made() == 0
    assert not IdempotencyRecord.objects.exists()

    assert make(client, "made").status_code == 202


def test_without_a_key_nothing_is_locked_or_looked_up_or_remembered(client: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        make(client, "made", key=None)

    assert captured.captured_queries
    assert [one for one in captured if "goutong_lock" in one["sql"] or "idempotencyrecord" in one["sql"]] == []
    assert not IdempotencyRecord.objects.exists()


def test_with_one_it_is(client: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        make(client, "made")

    assert [one for one in captured if "goutong_lock" in one["sql"]]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
def test_a_key_that_is_not_visible_ascii_is_refused(client: Client, key: str) -> None:
    response = make(client, "made", key=key)

    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "Idempotency-Key"
    assert made() == 0


def test_an_old_answer_is_forgotten(client: Client) -> None:
    make(client, "made")
    IdempotencyRecord.objects.update(created_at=timezone.now() - settings.NOTIFY["IDEMPOTENCY_TTL"])

    response = make(client, "made-anew")

    assert response.status_code == 202
    assert "Idempotent-Replayed" not in response.headers
    assert make(client, "made-anew")["Idempotent-Replayed"] == "true"
    assert IdempotencyRecord.objects.count() == 1


def test_purging_deletes_old_answers_and_keeps_the_others(client: Client) -> None:
    make(client, "made-1", key="old")
    IdempotencyRecord.objects.update(created_at=timezone.now() - settings.NOTIFY["IDEMPOTENCY_TTL"])
    make(client, "made-2", key="new")

    assert idempotency.purge(now=timezone.now()) == 1
    assert make(client, "made-2", key="new")["Idempotent-Replayed"] == "true"


def test_what_waits_for_the_commit_is_not_lost(
    client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    probe_urls.COMMITTED.clear()

    with django_capture_on_commit_callbacks(execute=True):
        make(client, "made")
        make(client, "made")

    assert probe_urls.COMMITTED == ["made"]


@pytest.mark.django_db(transaction=True)
class TestConcurrently:
    def test_a_twin_in_flight_is_told_to_wait(self) -> None:
        application = make_application()
        working, finish = threading.Event(), threading.Event()

        def work() -> Answer:
            working.set()
            assert finish.wait(10)
            return Answer(status=202, body={"done": True})

        def run(work_: Any) -> Any:
            request = Request(RequestFactory().post("/x", headers={"Idempotency-Key": "twin"}))
            try:
                return run_idempotently(request=request, application=application, fingerprint=b"f", work=work_)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(run, work)
            assert working.wait(10)
            with pytest.raises(IdempotencyKeyInFlight) as caught:
                pool.submit(run, lambda: pytest.fail("done twice")).result(10)
            finish.set()
            assert first.result(10).status_code == 202
            replayed = pool.submit(run, lambda: pytest.fail("done twice")).result(10)

        assert caught.value.retry_after
        assert replayed["Idempotent-Replayed"] == "true"

    def test_of_many_twins_at_once_one_does_the_work(self) -> None:
        client = make_client(make_application())
        together = threading.Barrier(8)

        def post(_index: int) -> int:
            together.wait(10)
            try:
                return int(make(client, "made").status_code)
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(post, range(8)))

        assert made() == 1
        assert set(statuses) <= {202, 409}
        assert 202 in statuses

    def test_a_failed_commit_leaves_no_answer(self) -> None:
        application = make_application()
        request = Request(RequestFactory().post("/x", headers={"Idempotency-Key": "crash"}))

        def work() -> Answer:
            Application.objects.create(name="made")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_idempotently(request=request, application=application, fingerprint=b"f", work=work)

        assert made() == 0
        assert not IdempotencyRecord.objects.exists()


def test_the_time_answers_are_kept_is_a_day() -> None:
    assert settings.NOTIFY["IDEMPOTENCY_TTL"] == timedelta(hours=24)
