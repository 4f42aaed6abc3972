"""``/api/schema/`` tells the truth: its examples fit it, and so does what is really answered, good and bad."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from notify.models import Application, DeadLetter
from tests.factories import (
    make_application,
    make_dead_letter,
    make_delivery,
    make_id,
    make_key,
    make_notification,
    make_template,
    now,
)

BASE = "/api/v1/"
EMAIL: dict[str, Any] = {"channels": ["email"], "content": {"subject": "Hi", "text": "Hello"}}
ALICE: dict[str, Any] = {"to": {"email": "alice@example.com"}}
JSON = "application/json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    answer = Client().get("/api/schema/", headers={"Accept": JSON})
    return dict(json.loads(answer.content))


def faults(schema: dict[str, Any], part: dict[str, Any], value: Any) -> list[str]:
    """What about ``value`` is not as ``part`` of the schema says."""
    validator = Draft202012Validator({**part, "components": schema["components"]}, format_checker=FormatChecker())
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_example_fits_what_it_illustrates(schema: dict[str, Any]) -> None:
    contents = [
        (name, content)
        for name, operation in operations(schema)
        for holder in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in holder.get("content", {}).values()
    ]
    examples = [
        (name, content["schema"], example["value"])
        for name, content in contents
        for example in content.get("examples", {}).values()
    ]

    assert len(examples) > 25
    assert [(name, fault) for name, part, value in examples for fault in faults(schema, part, value)] == []


def test_every_answer_that_is_a_success_has_an_example(schema: dict[str, Any]) -> None:
    bare = [
        name
        for name, operation in operations(schema)
        for status, answer in operation["responses"].items()
        if status < "300" and not answer["content"][JSON].get("examples")
    ]

    assert bare == []


def test_where_nothing_can_be_left_out_a_body_is_required(schema: dict[str, Any]) -> None:
    bodies = {name: one["requestBody"] for name, one in operations(schema) if "requestBody" in one}
    optional = {name for name, body in bodies.items() if not body.get("required", False)}

    assert optional == {"POST /api/v1/templates/{key}/preview", "POST /api/v1/receipts/{provider}"}


def test_headers_that_programs_read_are_described(schema: dict[str, Any]) -> None:
    send = schema["paths"]["/api/v1/notifications"]["post"]["responses"]

    assert {"X-Request-ID", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed"} == set(send["202"]["headers"])
    assert {"X-Request-ID", "Retry-After"} == set(send["429"]["headers"]) == set(send["503"]["headers"])
    assert set(send["401"]["headers"]) == {"X-Request-ID", "WWW-Authenticate"}
    listed = schema["paths"]["/api/v1/notifications"]["get"]["responses"]["200"]["headers"]
    assert set(listed) == {"X-Request-ID"}


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def ids(application: Application) -> dict[str, str]:
    """What the calls below name in their addresses and bodies."""
    notification = make_notification(application)
    make_delivery(notification)
    letters: list[DeadLetter] = []
    for _ in range(2):
        dead = make_delivery(make_notification(application), "dead")
        letters.append(make_dead_letter(dead))
    make_template("welcome", application=application)
    make_template("company")
    return {
        "notification": str(notification.id),
        "nobody": str(make_id(now())),
        "letter": str(letters[0].id),
        "other": str(letters[1].id),
    }


TOO_LARGE = f'"{"x" * 2**21}"'
CONTENTS = {"sms": {"en": {"text": "Your code is {{ code }}"}}}
CALLS: list[tuple[str, str, Any, int]] = [
    ("POST", "notifications", {**EMAIL, **ALICE}, 202),
    ("POST", "notifications", {**EMAIL, **ALICE, "to": {"email": "no address"}}, 422),
    ("POST", "notifications", "{", 400),
    ("GET", "notifications", None, 200),
    ("GET", "notifications?status=nonsense", None, 422),
    ("GET", "notifications/{notification}", None, 200),
    ("GET", "notifications/{nobody}", None, 404),
    ("GET", "notifications/{notification}/timeline", None, 200),
    ("GET", "notifications/{nobody}/timeline", None, 404),
    ("POST", "notifications/{notification}/cancel", None, 200),
    ("POST", "notifications/{notification}/cancel", {"why": "?"}, 422),
    ("POST", "notifications/{notification}/cancel", "{", 400),
    ("POST", "notifications/{notification}/cancel", b"plain", 415),
    ("POST", "notifications/{notification}/cancel", TOO_LARGE, 413),
    ("POST", "notifications/{nobody}/cancel", None, 404),
    ("POST", "notifications/batch", {**EMAIL, "recipients": [ALICE]}, 202),
    ("POST", "notifications/batch", {**EMAIL, "recipients": [ALICE, {}], "on_invalid": "skip"}, 202),
    ("POST", "notifications/batch", {**EMAIL, "recipients": []}, 422),
    ("POST", "notifications/batch", None, 422),
    ("GET", "batches/{nobody}", None, 404),
    ("POST", "batches/{nobody}/cancel", None, 404),
    ("POST", "batches/{nobody}/cancel", "{", 400),
    ("POST", "batches/{nobody}/cancel", b"plain", 415),
    ("GET", "dead-letters", None, 200),
    ("GET", "dead-letters?limit=0", None, 422),
    ("POST", "dead-letters/replay", {"ids": ["{letter}", "{nobody}"]}, 200),
    ("POST", "dead-letters/replay", {}, 422),
    ("POST", "dead-letters/replay", b"plain", 415),
    ("POST", "dead-letters/replay", TOO_LARGE, 413),
    ("POST", "dead-letters/discard", {"ids": ["{other}"]}, 200),
    ("POST", "dead-letters/discard", {"ids": ["{other}"], "filter": {}}, 422),
    ("GET", "templates", None, 200),
    ("GET", "templates?cursor=!", None, 422),
    ("POST", "templates", {"key": "otp", "contents": CONTENTS}, 201),
    ("POST", "templates", {"key": "welcome", "contents": CONTENTS}, 409),
    ("POST", "templates", {"key": "otp", "contents": {"sms": {"en": {"text": "{% if %}"}}}}, 422),
    ("GET", "templates/welcome", None, 200),
    ("GET", "templates/welcome?version=9", None, 404),
    ("PUT", "templates/welcome", {"contents": CONTENTS}, 200),
    ("PUT", "templates/nobody", {"contents": CONTENTS}, 404),
    ("PUT", "templates/company", {"contents": CONTENTS}, 403),
    ("POST", "templates/welcome/preview", {}, 200),
    ("POST", "templates/welcome/preview", None, 200),
    ("POST", "templates/welcome/preview", {"params": {"nobody": 1}}, 422),
    ("POST", "templates/nobody/preview", {}, 404),
    ("GET", "channels", None, 200),
    ("POST", "receipts/nobody", {}, 404),
]


def call(method: str, path: str, body: Any, key: str) -> Any:
    kind = "text/plain" if isinstance(body, bytes) else JSON
    data = "" if body is None else body if isinstance(body, str | bytes) else json.dumps(body)
    client = Client(headers={"Authorization": f"Bearer {key}"} if key else {})
    return client.generic(method, BASE + path, data, content_type=kind)


def described(schema: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The operation that answers there."""
    address = (BASE + path).partition("?")[0]
    [operation] = [
        methods[method.lower()]
        for pattern, methods in sorted(schema["paths"].items(), key=lambda item: "{" in item[0])
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), address) and method.lower() in methods
    ][:1]
    return dict(operation)


def check(schema: dict[str, Any], method: str, path: str, answer: HttpResponse) -> None:
    """``answer`` is as the schema says: its status, its type, its body, its headers."""
    responses = described(schema, method, path)["responses"]
    assert str(answer.status_code) in responses
    said = responses[str(answer.status_code)]
    kind = answer["Content-Type"].partition(";")[0]
    assert kind in said["content"]
    assert faults(schema, said["content"][kind]["schema"], json.loads(answer.content)) == []
    headers = schema["components"]["headers"]
    assert [name for name in said["headers"] if headers[name].get("required") and name not in answer] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_redis")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"), CALLS, ids=[f"{method} {path} {status}" for method, path, _, status in CALLS]
)
def test_an_answer_is_as_described(
    schema: dict[str, Any],
    application: Application,
    ids: dict[str, str],
    method: str,
    path: str,
    body: Any,
    status: int,
) -> None:
    path = path.format_map(ids)
    if isinstance(body, dict):
        body = json.loads(re.sub(r'"\{(\w+)\}"', lambda found: f'"{ids[found[1]]}"', json.dumps(body)))

    answer = call(method, path, body, make_key(application))

    assert answer.status_code == status, answer.content
    check(schema, method, path, answer)


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_redis")
def test_a_batch_and_its_end_are_as_described(schema: dict[str, Any], application: Application) -> None:
    key = make_key(application)
    sent = call("POST", "notifications/batch", {**EMAIL, "recipients": [ALICE, ALICE]}, key)
    path = f"batches/{sent.json()['batch_id']}"

    for method, address, status in (
        ("GET", path, 200),
        ("POST", f"{path}/cancel", 200),
        ("POST", f"{path}/cancel", 409),
        ("GET", path, 200),
    ):
        answer = call(method, address, None, key)
        assert answer.status_code == status
        check(schema, method, address, answer)


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "gt_live_nobody"])
def test_nobody_gets_in_and_is_told_so_everywhere_as_described(schema: dict[str, Any], key: str) -> None:
    asked = 0
    for pattern, methods in schema["paths"].items():
        path = re.sub(r"\{\w+\}", "x", pattern).removeprefix(BASE)
        for method, operation in methods.items():
            if not operation.get("security"):
                continue
            answer = call(method.upper(), path, None, key)
            assert answer.status_code == 401
            check(schema, method.upper(), path, answer)
            asked += 1
    assert asked > 15
