"""``templates``: an application's own and the company's."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notify import templating
from notify.api.template_shapes import PreviewShape, TemplateDetail, TemplatePage
from notify.models import Application, Template
from tests.factories import make_application, make_client

pytestmark = pytest.mark.django_db

OTP = {"sms": {"zh-CN": {"text": "验证码 {{ code }}"}, "en": {"text": "Your code is {{ code }}"}}}
NEW = {"key": "otp", "category": "security", "contents": OTP}


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def post(client: Client, body: Any, path: str = "/api/v1/templates", **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def put(client: Client, key: str, body: Any) -> Any:
    return client.put(f"/api/v1/templates/{key}", body, content_type="application/json")


def publish(key: str, application: Application | None = None, text: str = "Hello") -> None:
    templating.publish(
        application=application,
        key=key,
        category="",
        contents={"sms": {"en": {"text": text}}},
        default_locale="en",
        author="",
        now=timezone.now(),
    )


def codes(response: Any, status: int) -> list[tuple[str, str]]:
    assert response.status_code == status, response.content
    return [(fault["path"], fault["code"]) for fault in response.json()["errors"]]


def test_a_template_is_made_and_read_again(client: Client) -> None:
    made = post(client, NEW)

    assert made.status_code == 201
    assert made["Location"] == "/api/v1/templates/otp"
    TemplateDetail.model_validate_json(made.content)
    body = made.json()
    assert (body["key"], body["version"], body["default_locale"], body["shared"]) == ("otp", 1, "en", False)
    assert body["contents"] == OTP
    assert body["variables"]["sms/zh-CN"] == {"required": ["code"], "optional": []}
    assert client.get("/api/v1/templates/otp").json() == body


def test_a_key_is_taken_once(client: Client) -> None:
    post(client, NEW)

    response = post(client, NEW)

    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_the_same_post_with_an_idempotency_key_is_answered_again(client: Client) -> None:
    headers = {"Idempotency-Key": "k"}
    first = post(client, NEW, **headers)

    again = post(client, NEW, **headers)

    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"


def test_put_makes_a_version_and_old_ones_stay(client: Client) -> None:
    post(client, NEW)

    response = put(client, "otp", {"contents": {"sms": {"en": {"text": "New"}}}})

    assert (response.status_code, response.json()["version"]) == (200, 2)
    assert client.get("/api/v1/templates/otp").json()["version"] == 2
    assert client.get("/api/v1/templates/otp?version=1").json()["contents"] == OTP
    assert client.get("/api/v1/templates/otp?version=3").status_code == 404


def test_putting_the_same_again_makes_no_version(client: Client) -> None:
    post(client, NEW)

    assert put(client, "otp", NEW).json()["version"] == 1


def test_put_does_not_rename(client: Client) -> None:
    post(client, NEW)

    assert codes(put(client, "otp", {**NEW, "key": "other"}), 422) == [("key", "not_allowed")]


def test_another_applications_template_is_not_there(client: Client) -> None:
    publish("theirs", make_application())

    assert client.get("/api/v1/templates/theirs").status_code == 404
    assert put(client, "theirs", {"contents": OTP}).status_code == 404
    assert post(client, {}, "/api/v1/templates/theirs/preview").status_code == 404
    assert client.get("/api/v1/templates").json() == {"results": []}


def test_the_companys_template_can_be_read_and_not_changed(client: Client) -> None:
    publish("otp")

    assert client.get("/api/v1/templates/otp").json()["shared"] is True
    response = put(client, "otp", {"contents": OTP})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


def test_ones_own_template_hides_the_companys(client: Client) -> None:
    publish("otp", text="company")

    assert post(client, NEW).status_code == 201

    (only,) = client.get("/api/v1/templates").json()["results"]
    assert (only["shared"], only["contents"]) == (False, OTP)


def test_the_list_comes_in_pages_by_key(client: Client, application: Application) -> None:
    for key in ("c", "a", "e"):
        publish(key, application)
    for key in ("b", "d", "a"):
        publish(key)

    first = client.get("/api/v1/templates?limit=2")
    TemplatePage.model_validate_json(first.content)
    second = client.get("/api/v1/templates", {"limit": 2, "cursor": first.json()["next_cursor"]}).json()
    third = client.get("/api/v1/templates", {"limit": 2, "cursor": second["next_cursor"]}).json()

    keys = [template["key"] for page in (first.json(), second, third) for template in page["results"]]
    assert keys == ["a", "b", "c", "d", "e"]
    assert "next_cursor" not in third


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=%C3%A9", "cursor=!", "page=2"])
def test_a_page_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/api/v1/templates?{query}").status_code == 422


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"key": "Not A Key"}, "key", "wrong_format"),
        ({"key": None}, "key", "wrong_type"),
        ({"category": "a\nb"}, "category", "control_character"),
        ({"category": "x" * 65}, "category", "too_long"),
        ({"default_locale": "!"}, "default_locale", "wrong_format"),
        ({"colour": 1}, "colour", "unknown_field"),
        ({"contents": []}, "contents", "wrong_type"),
        ({"contents": {}}, "contents", "required"),
        ({"contents": {"sms": {"zh-CN": {"text": "a\n{{ b"}}}}, "contents.sms.zh-CN.text", "template_error"),
        (
            {"contents": {"sms": {"en": {"text": "{% for i in (1..100000000) %}{% endfor %}"}}}},
            "contents.sms.en.text",
            "template_too_costly",
        ),
    ],
)
def test_a_template_that_makes_no_sense_is_refused_and_not_stored(
    client: Client, change: dict[str, Any], path: str, code: str
) -> None:
    assert codes(post(client, {**NEW, **change}), 422) == [(path, code)]
    assert not Template.objects.exists()


def test_writing_needs_a_scope_for_it(application: Application) -> None:
    reader, writer, sender = (make_client(application, scope) for scope in ("read", "templates", "send"))

    assert post(reader, NEW).status_code == 403
    assert post(writer, NEW).status_code == 201
    assert put(sender, "otp", {"contents": OTP}).status_code == 200
    assert writer.get("/api/v1/templates").status_code == 403
    assert post(reader, {"params": {"code": 1}}, "/api/v1/templates/otp/preview").status_code == 200


def test_a_preview_is_what_would_be_sent(client: Client) -> None:
    email = {"en": {"subject": "Hi {{ name }}", "text": "{{ code }}", "html": "<b>{{ name }}</b>"}}
    post(client, {**NEW, "contents": {**OTP, "email": email}})

    response = post(client, {"locale": "zh", "params": {"code": 1, "name": "<A>"}}, "/api/v1/templates/otp/preview")

    assert response.status_code == 200
    PreviewShape.model_validate_json(response.content)
    messages = response.json()["messages"]
    assert messages["sms"] == {"locale": "zh-CN", "subject": "", "text": "验证码 1", "html": ""}
    assert messages["email"] == {"locale": "en", "subject": "Hi <A>", "text": "1", "html": "<b>&lt;A&gt;</b>"}


def test_a_preview_may_be_of_one_channel_and_an_old_version(client: Client) -> None:
    post(client, NEW)
    put(client, "otp", {"contents": {"sms": {"en": {"text": "New"}}}})

    body = {"channel": "sms", "version": 1, "params": {"code": 5}}
    response = post(client, body, "/api/v1/templates/otp/preview")

    assert response.json()["messages"]["sms"]["text"] == "Your code is 5"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("params.code", "missing_variable")),
        ({"params": {"code": 1, "cod": 2}}, ("params.cod", "unknown_variable")),
        ({"params": {"code": "x" * 1_000_000}}, ("params", "too_long")),
        ({"channel": "email", "params": {"code": 1}}, ("channel", "no_content_for_channel")),
        ({"channel": "fax"}, ("channel", "not_allowed")),
    ],
)
def test_a_preview_tells_what_is_missing(client: Client, body: dict[str, Any], fault: tuple[str, str]) -> None:
    post(client, NEW)

    assert codes(post(client, body, "/api/v1/templates/otp/preview"), 422) == [fault]


def test_a_preview_that_can_not_be_rendered_is_a_problem(client: Client) -> None:
    post(client, {**NEW, "contents": {"sms": {"en": {"text": "{{ code.inner }}"}}}})

    response = post(client, {"params": {"code": 1}}, "/api/v1/templates/otp/preview")

    assert (response.status_code, response.json()["code"]) == (422, "template_error")


@pytest.mark.django_db
@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "4oKs", "LS0t"])
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    response = make_client(make_application()).get("/api/v1/templates", {"cursor": cursor})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "invalid_cursor")
