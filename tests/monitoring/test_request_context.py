"""Around every request: an id, the log's context, one line, one figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from structlog.contextvars import get_contextvars

from monitoring import metrics

pytestmark = pytest.mark.urls("tests.monitoring.routes")

LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def access_lines(log_lines: LogLines) -> list[dict[str, Any]]:
    return [line for line in log_lines() if line["logger"] == "goutong.access"]


def test_a_sane_request_id_is_taken_over(client: Client) -> None:
    response = client.get("/log", headers={"X-Request-ID": "Order_4711.a-b"})

    assert response["X-Request-ID"] == "Order_4711.a-b"
    assert response.content == b"Order_4711.a-b"


@pytest.mark.parametrize("insane", ["", "a b", "a" * 129, "ä", "a\nb", "<script>"])
def test_another_request_id_is_replaced(client: Client, insane: str) -> None:
    response = client.get("/log", HTTP_X_REQUEST_ID=insane)

    assert response["X-Request-ID"] != insane
    assert len(response["X-Request-ID"]) == 36


@pytest.mark.parametrize(("path", "status"), [("/break", 500), ("/nowhere", 404)])
def test_errors_carry_a_request_id_too(client: Client, path: str, status: int) -> None:
    response = client.get(path)

    assert response.status_code == status
    assert response["X-Request-ID"]


def test_lines_of_a_request_carry_its_id_and_what_it_bound(client: Client, log_lines: LogLines) -> None:
    client.get("/log", headers={"X-Request-ID": "r-1"})

    line = next(line for line in log_lines() if line["logger"] == "tests.page")
    assert (line["request_id"], line["event"]) == ("r-1", "from the page")
    assert "notification_id" in access_line_fields(client, log_lines)


def access_line_fields(client: Client, log_lines: LogLines) -> set[str]:
    client.get("/log")
    return set(access_lines(log_lines)[-1])


def test_the_context_of_a_request_ends_with_it(client: Client) -> None:
    client.get("/log")

    assert get_contextvars() == {}


def test_a_request_is_one_line_without_its_query(client: Client, log_lines: LogLines) -> None:
    client.get("/application?secret=1")

    (line,) = access_lines(log_lines)
    assert line["level"] == "info"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/application", 200)
    assert (line["application"], line["bytes"]) == ("billing", 5)
    assert line["ms"] >= 0
    assert "secret" not in str(line)


def test_a_streamed_answer_is_logged_without_its_size(client: Client, log_lines: LogLines) -> None:
    client.get("/stream")

    assert "bytes" not in access_lines(log_lines)[0]


def test_an_address_in_a_path_is_masked(client: Client, log_lines: LogLines) -> None:
    client.get("/answer/zhang.wei@example.com")

    assert access_lines(log_lines)[0]["path"] == "/answer/z***i@example.com"


def test_probes_are_not_logged_at_info(client: Client, log_lines: LogLines) -> None:
    client.get("/healthz")

    assert access_lines(log_lines) == []


def requests_counted(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.registry().get_sample_value("goutong_http_requests_total", labels) or 0.0


def test_a_request_is_counted_under_the_name_of_its_pattern(client: Client) -> None:
    before = requests_counted("PUT", "answer", 200)

    client.put(f"/answer/{uuid4()}")
    client.put(f"/answer/{uuid4()}")

    assert requests_counted("PUT", "answer", 200) >= before + 2


def test_paths_and_methods_nobody_knows_make_no_series_of_their_own(client: Client) -> None:
    before = requests_counted("OTHER", "unmatched", 404)

    client.generic("BREW", f"/{uuid4()}")

    assert requests_counted("OTHER", "unmatched", 404) >= before + 1
