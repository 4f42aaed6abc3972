"""Values that JSON, PostgreSQL and clients do not agree about: refused where they come in, never an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from notify import templating
from notify.models import Application, Delivery, Notification
from tests.factories import make_application, make_client, make_delivery, make_notification, now

pytestmark = pytest.mark.django_db

TOO_LARGE = ["9223372036854775808", "-9223372036854775809", "1e30", "-1e300", "123456789012345678901234567890"]


@pytest.fixture
def application() -> Application:
    return make_application()


@pytest.fixture
def client(application: Application) -> Client:
    return make_client(application)


def send(client: Client, raw: str = "", /, **values: Any) -> Any:
    body = {"to": {"email": "a@example.com"}, "channels": ["email"], "content": {"subject": "s", "text": "t"}, **values}
    if not raw:
        return client.post("/api/v1/notifications", body, content_type="application/json")
    text = f"{json.dumps(body)[:-1]}, {raw}}}"
    return client.post("/api/v1/notifications", text, content_type="application/json")


def fault(response: Any) -> tuple[str, str]:
    assert response.status_code == 422, response.content
    (only,) = response.json()["errors"]
    return only["path"], only["code"]


@pytest.mark.parametrize("where", ["metadata", "params"])
@pytest.mark.parametrize("number", TOO_LARGE)
def test_a_number_beyond_64_bits_is_refused(client: Client, where: str, number: str) -> None:
    response = send(client, f'"{where}": {{"a": [1, {{"n": {number}}}]}}')

    assert fault(response) == (where, "out_of_range")
    assert not Notification.objects.exists()


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_what_is_no_number_is_not_json(client: Client, number: str) -> None:
    assert send(client, f'"metadata": {{"n": {number}}}').status_code == 400


@pytest.mark.parametrize("number", ["9223372036854775807", "-9223372036854775808", "0.1", "-1e18", "1e-300"])
def test_a_number_within_64_bits_is_read_as_it_was_sent(client: Client, number: str) -> None:
    accepted = send(client, f'"metadata": {{"n": {number}}}')

    read = client.get(f"/api/v1/notifications/{accepted.json()['id']}").json()

    assert read["metadata"]["n"] == type(read["metadata"]["n"])(
        float(number) if "." in number or "e" in number else int(number)
    )


def test_an_object_too_deep_to_be_answered_is_refused(client: Client) -> None:
    deep = '{"a":' * 100 + "1" + "}" * 100

    assert fault(send(client, f'"metadata": {deep}')) == ("metadata", "too_deep")


@pytest.mark.parametrize(
    "value", [10**30, [[[10**30]]], 2**64, "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")]
)
def test_what_was_stored_before_is_read_whatever_it_is(client: Client, application: Application, value: Any) -> None:
    row = make_notification(application, metadata={"n": value})
    make_delivery(row)

    response = client.get(f"/api/v1/notifications/{row.id}")

    assert response.status_code == 200
    assert response.json()["metadata"] == {"n": value}
    assert response.json()["created_at"].endswith("Z")
    assert client.get("/api/v1/notifications").status_code == 200


def test_deep_metadata_stored_before_is_read(client: Client, application: Application) -> None:
    value: Any = 1
    for _ in range(260):
        value = {"a": value}
    row = make_notification(application, metadata=value)
    make_delivery(row)

    response = client.get(f"/api/v1/notifications/{row.id}")

    assert response.status_code == 200
    assert response.json()["metadata"] == value


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", [1790000000, "1790000000", "1790000000.5", "-1", 0, True])
@pytest.mark.parametrize("field", ["send_at", "expires_at"])
def test_a_number_is_no_time(client: Client, field: str, moment: Any) -> None:
    assert fault(send(client, "", **{field: moment}))[0] == field


@pytest.mark.parametrize("offset", ["+23:59", "-23:59", "+16:00"])
def test_an_offset_beyond_postgresqls_is_a_time_all_the_same(client: Client, offset: str) -> None:
    assert send(client, expires_at=f"{now().year + 0}-12-31T12:00:00{offset}").status_code in (202, 422)
    assert fault(send(client, send_at=f"9999-12-31T23:59:59{offset}"))[0] == "send_at"


@pytest.mark.parametrize("path", ["notifications", "dead-letters"])
@pytest.mark.parametrize("field", ["created_after", "created_before"])
class TestTimesInQueries:
    @pytest.mark.parametrize("moment", ["1790000000", "1790000000.5", "-1", "2026-01-01", "2026-01-01T00:00:00"])
    def test_a_number_or_a_time_without_zone_is_refused(
        self, client: Client, path: str, field: str, moment: str
    ) -> None:
        assert fault(client.get(f"/api/v1/{path}", {field: moment}))[0] == field

    @pytest.mark.parametrize("offset", ["+16:00", "-16:00", "+23:59", "-23:59"])
    def test_any_offset_is_understood(self, client: Client, path: str, field: str, offset: str) -> None:
        assert client.get(f"/api/v1/{path}", {field: f"2026-01-01T00:00:00{offset}"}).status_code == 200

    @pytest.mark.parametrize(
        "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1999-12-31T00:00:00Z"]
    )
    def test_times_that_no_id_holds_are_refused(self, client: Client, path: str, field: str, moment: str) -> None:
        assert fault(client.get(f"/api/v1/{path}", {field: moment}))[0] == field


@pytest.mark.parametrize("verb", ["replay", "discard"])
@pytest.mark.parametrize("moment", [1790000000, "1790000000", "0001-01-01T00:00:00+23:59"])
def test_the_times_of_a_filter_in_a_body_are_as_strict(client: Client, verb: str, moment: object) -> None:
    response = client.post(
        f"/api/v1/dead-letters/{verb}", {"filter": {"created_before": moment}}, content_type="application/json"
    )

    assert fault(response)[0] == "filter.created_before"


# --- NUL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *(
            f"notifications?{name}=%00"
            for name in ("status", "channel", "batch_id", "template", "ref", "cursor", "limit")
        ),
        *(f"notifications?{name}=a%00b" for name in ("created_after", "created_before", "ref", "%00")),
        *(f"dead-letters?{name}=%00" for name in ("state", "channel", "reason", "provider", "cursor", "created_after")),
        *(f"templates?{name}=%00" for name in ("cursor", "limit")),
        "templates/otp?version=%00",
        "templates/a%00b",
        "notifications/%00",
        "notifications/%00/timeline",
        "batches/%00",
    ],
)
def test_a_nul_in_an_address_is_refused_or_not_found(client: Client, address: str) -> None:
    assert client.get(f"/api/v1/{address}").status_code in (404, 422)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("notifications/a%00b/cancel", {}),
        ("batches/a%00b/cancel", {}),
        ("templates/a%00b/preview", {}),
        ("templates/otp/preview", {"locale": "\0"}),
        ("templates", {"key": "a\0", "contents": {}}),
        ("templates", {"key": "a", "contents": {"sms": {"en": {"text": "a\0b"}}}}),
        ("templates", {"key": "a", "default_locale": "e\0", "contents": {"sms": {"en": {"text": "a"}}}}),
        ("dead-letters/replay", {"ids": ["\0"]}),
        ("dead-letters/discard", {"filter": {"reason": "\0"}}),
        (
            "notifications",
            {"channels": ["email"], "to": {"email": "a\0@b.c"}, "content": {"subject": "s", "text": "t"}},
        ),
        ("notifications", {"channels": ["inapp"], "to": {"user_id": "a\0"}, "content": {"text": "t"}}),
        ("notifications", {"channels": ["inapp"], "to": {"user_id": "a"}, "content": {"text": "t\0"}}),
        ("notifications", {"channels": ["inapp"], "to": {"user_id": "a"}, "template": "t\0"}),
        ("notifications", {"channels": ["inapp"], "to": {"user_id": "a"}, "template": "t", "params": {"a\0": 1}}),
        ("notifications", {"channels": ["inapp"], "to": {"user_id": "a"}, "content": {"text": "t"}, "ref": "\0"}),
    ],
)
def test_a_nul_in_a_body_is_refused_or_not_found(client: Client, path: str, body: dict[str, Any]) -> None:
    response = client.post(f"/api/v1/{path}", body, content_type="application/json")

    assert response.status_code in (404, 422)
    assert not Delivery.objects.exists()


# --- null -------------------------------------------------------------------------------------------------------------


class TestNull:
    @pytest.fixture(autouse=True)
    def _template(self, application: Application) -> None:
        templating.publish(
            application=application,
            key="otp",
            category="",
            contents={"sms": {"en": {"text": "Code {{ code }}{% if name %} for {{ name }}{% endif %}"}}},
            default_locale="en",
            author="test",
            now=now(),
        )

    def order(self, params: Any) -> dict[str, Any]:
        return {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "template": "otp", "params": params}

    def test_null_is_no_value_for_a_variable_that_the_template_needs(self, client: Client) -> None:
        response = client.post("/api/v1/notifications", self.order({"code": None}), content_type="application/json")

        assert fault(response) == ("params.code", "missing_variable")

    def test_null_is_a_value_for_one_that_it_can_do_without(self, client: Client) -> None:
        params = {"code": "1", "name": None}

        response = client.post("/api/v1/notifications", self.order(params), content_type="application/json")

        assert response.status_code == 202

    def test_params_that_are_null_are_no_params(self, client: Client) -> None:
        response = client.post("/api/v1/notifications", self.order(None), content_type="application/json")

        assert fault(response) == ("params.code", "missing_variable")

    def test_a_recipient_of_a_batch_may_say_null_too(self, client: Client) -> None:
        body = {
            **self.order({"code": "1"}),
            "recipients": [{"to": {"phone": "+8613800001234"}, "params": None, "metadata": None}],
        }
        del body["to"]

        assert client.post("/api/v1/notifications/batch", body, content_type="application/json").status_code == 202

    def test_metadata_that_is_null_is_none(self, client: Client) -> None:
        assert send(client, metadata=None, params=None).status_code == 202

    def test_a_preview_treats_null_alike(self, client: Client) -> None:
        for params in (None, {"code": None}):
            response = client.post("/api/v1/templates/otp/preview", {"params": params}, content_type="application/json")
            assert fault(response) == ("params.code", "missing_variable")
