"""The words of a fault: our own, in the caller's language, whatever checks the request underneath."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.factories import make_application, make_client

pytestmark = pytest.mark.django_db

ORDER: dict[str, Any] = {"to": {"email": "a@b.cn"}, "channels": ["email"], "content": {"subject": "s", "text": "t"}}
FAULTS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"to": {}, "channels": None}, "channels", "wrong_type", "This should be a list."),
    ({"channels": []}, "channels", "too_short", "The least length is 1."),
    ({"channels": ["email"] * 8}, "channels", "too_long", "The greatest length is 7."),
    ({"priority": "high"}, "priority", "not_allowed", "This should be 'critical', 'normal' or 'bulk'."),
    ({"ttl_s": "1"}, "ttl_s", "wrong_type", "This should be a whole number."),
    ({"ttl_s": 1.5}, "ttl_s", "wrong_type", "This should be a whole number."),
    ({"ttl_s": 0}, "ttl_s", "out_of_range", "This should be at least 1."),
    ({"ref": 1}, "ref", "wrong_type", "This should be text."),
    ({"ref": "x" * 256}, "ref", "too_long", "The greatest length is 255."),
    ({"to": {"email": ""}}, "to.email", "too_short", "The least length is 1."),
    ({"metadata": []}, "metadata", "wrong_type", "This should be an object."),
    ({"to": "a@b.cn"}, "to", "wrong_type", "This should be an object."),
    ({"metadata": {"a": "x" * 70_000}}, "metadata", "too_long", "At most 65536 bytes of JSON."),
    ({"colour": "red"}, "colour", "unknown_field", "There is no such field here."),
]


def answer(client: Client, change: dict[str, Any], language: str = "en") -> dict[str, str]:
    response = client.post(
        "/api/v1/notifications",
        {**ORDER, **change},
        content_type="application/json",
        headers={"Accept-Language": language},
    )
    assert response.status_code == 422
    fault: dict[str, str] = response.json()["errors"][0]
    return fault


@pytest.fixture
def client() -> Client:
    return make_client(make_application())


@pytest.mark.parametrize(("change", "path", "code", "detail"), FAULTS)
def test_a_fault_is_told_in_our_words(
    client: Client, change: dict[str, Any], path: str, code: str, detail: str
) -> None:
    assert answer(client, change) == {"path": path, "code": code, "detail": detail}


@pytest.mark.parametrize(("change", "path", "code", "detail"), FAULTS)
def test_a_fault_is_told_in_chinese_to_who_reads_that(
    client: Client, change: dict[str, Any], path: str, code: str, detail: str
) -> None:
    told = answer(client, change, "zh-CN")

    assert (told["path"], told["code"]) == (path, code)
    assert any("一" <= character <= "鿿" for character in told["detail"])


@pytest.mark.parametrize("address", ["notifications?limit=x", "notifications?limit=0", "notifications?batch_id=x"])
def test_queries_are_told_in_our_words_too(client: Client, address: str) -> None:
    (fault,) = client.get(f"/api/v1/{address}").json()["errors"]

    assert "Input" not in fault["detail"]
    assert fault["detail"].startswith(("This should be", "Write a"))


def test_who_asks_for_no_language_gets_the_platforms_and_not_that_of_who_asked_before(client: Client) -> None:
    answer(client, {"colour": "red"}, "zh-hans")

    response = client.post("/api/v1/notifications", {**ORDER, "colour": "red"}, content_type="application/json")

    assert response.json()["errors"][0]["detail"] == "There is no such field here."
    assert response.headers["Content-Language"] == "en"
    assert "Accept-Language" in response.headers["Vary"]
