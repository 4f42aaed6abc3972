"""Whatever goes wrong is told as a problem, with a code, without a value or a stack trace."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.factories import make_application, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.notify.probe_urls")]

MEMBERS = {"type", "title", "status", "detail", "code", "errors", "request_id"}


@pytest.fixture
def client() -> Client:
    client = make_client(make_application())
    client.raise_request_exception = False
    return client


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) == MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(code)
    return body


@pytest.mark.parametrize(
    ("how", "status", "code", "retry_after"),
    [
        ("conflict", 409, "conflict", None),
        ("limited", 429, "rate_limited", "2"),
        ("throttled", 429, "rate_limited", "7"),
        ("missing", 404, "not_found", None),
        ("denied", 403, "forbidden", None),
        ("suspicious", 400, "bad_request", None),
        ("database", 503, "unavailable", "2"),
        ("read-only", 503, "unavailable", "2"),
        ("defect", 500, "internal_error", None),
    ],
)
def test_a_failure_becomes_its_problem(
    client: Client, how: str, status: int, code: str, retry_after: str | None
) -> None:
    response = client.get(f"/api/v1/fail/{how}")

    problem(response, status, code)
    assert response.headers.get("Retry-After") == retry_after
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


def test_a_defect_is_logged_whole(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        client.get("/api/v1/fail/defect")

    assert any(record.exc_info and record.exc_info[0] is ValueError for record in caplog.records)


def test_the_request_id_is_in_the_problem_and_on_the_answer(client: Client) -> None:
    response = client.get("/api/v1/fail/conflict", headers={"X-Request-ID": "req-1"})

    assert problem(response, 409, "conflict")["request_id"] == "req-1"
    assert response["X-Request-ID"] == "req-1"


def test_every_fault_of_a_body_has_its_path_and_no_value(client: Client) -> None:
    body = {"recipients": [{"to": {"email": "a@b.c"}}, {"to": {"email": 4711, "mail": "secret"}}, {}], "kind": "secret"}

    response = client.post("/api/v1/validate", body, content_type="application/json")

    faults = {(fault["path"], fault["code"]) for fault in problem(response, 422, "invalid_request")["errors"]}
    assert faults == {
        ("recipients[1].to.email", "wrong_type"),
        ("recipients[1].to.mail", "unknown_field"),
        ("recipients[2].to", "required"),
        ("kind", "wrong_format"),
    }
    assert b"secret" not in response.content
    assert b"4711" not in response.content


def test_a_body_that_is_no_object_is_a_fault(client: Client) -> None:
    problem(client.post("/api/v1/validate", "[1]", content_type="application/json"), 422, "invalid_request")


def test_the_name_of_an_unknown_field_is_cut_and_cleaned(client: Client) -> None:
    response = client.post(
        "/api/v1/validate", {"recipients": [], "\x00" + "x" * 5000: 1}, content_type="application/json"
    )

    (fault,) = problem(response, 422, "invalid_request")["errors"]
    assert len(fault["path"]) < 80
    assert "\x00" not in fault["path"]


def test_a_method_that_is_not_served_is_a_problem(client: Client) -> None:
    response = client.delete("/api/v1/validate")

    problem(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_an_answer_in_a_form_we_do_not_have_is_a_problem(client: Client) -> None:
    problem(client.get("/api/v1/scoped", headers={"Accept": "text/csv"}), 406, "not_acceptable")


def test_an_address_that_nobody_serves_is_a_problem(client: Client) -> None:
    problem(client.get("/api/v1/nothing"), 404, "not_found")
    problem(client.get("/nothing"), 404, "not_found")


@pytest.mark.parametrize("debug", [False, True])
def test_plain_views_under_the_api_fail_as_problems_too(client: Client, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        problem(client.get("/api/plain"), 500, "internal_error")


def test_a_defect_outside_the_api_is_a_problem_as_well(client: Client) -> None:
    problem(client.get("/plain"), 500, "internal_error")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("host", ["ev il", "unknown.example.com"])
def test_a_host_that_is_not_ours_is_a_problem(client: Client, host: str, debug: bool) -> None:
    with override_settings(DEBUG=debug, ALLOWED_HOSTS=["testserver"]):
        problem(client.get("/api/v1/scoped", headers={"Host": host}), 400, "bad_request")


@pytest.mark.urls("config.urls")
def test_the_admin_keeps_its_pages(client: Client) -> None:
    response = client.get("/admin/nothing/here/")

    assert response["Content-Type"].startswith("text/html") or response.status_code == 302
