"""How much is read of a body, and what counts as JSON."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest
from django.test import Client, RequestFactory

from notify.api.parsers import parse_json, read_body
from notify.errors import MalformedRequest, PayloadTooLarge
from notify.models import Notification
from tests.factories import make_application, make_client


class Endless(io.RawIOBase):
    """A chunked body that never ends, and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0
        size = min(size, 700)
        self.taken += size
        return b" " * size


def chunked(body: Any) -> Any:
    request = RequestFactory().post("/", content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    request.META.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": body})
    return request


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[1,]",
        b"NaN",
        b"[Infinity]",
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xff",
        b"[" * 5000,
        b'{"a":' * 5000,
        b"1e999",
    ],
)
def test_what_is_not_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_json(raw)

    assert "line 1" in caught.value.detail


def test_a_fault_says_where_and_not_what() -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_json(b'{"card": "4111",\n "x": secret}')

    assert "line 2, column 7" in caught.value.detail
    assert "secret" not in caught.value.detail


def test_a_chunked_body_is_read_whole() -> None:
    assert read_body(chunked(io.BytesIO(b'{"a": 1}'))) == b'{"a": 1}'


def test_of_a_body_without_length_one_byte_more_than_the_limit_is_read() -> None:
    endless = Endless()

    with pytest.raises(PayloadTooLarge):
        read_body(chunked(endless), limit=10_000)

    assert endless.taken == 10_001


def test_a_body_is_read_once_and_kept() -> None:
    request = chunked(io.BytesIO(b"{}"))

    assert read_body(request) == read_body(request) == request.body


def test_a_body_shorter_than_it_said_is_malformed() -> None:
    request = RequestFactory().post("/", content_type="application/json")
    request.META.update({"CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b"{}")})
    request._stream = request.META["wsgi.input"]

    with pytest.raises(MalformedRequest):
        read_body(request)


@pytest.mark.django_db
@pytest.mark.urls("tests.notify.probe_urls")
class TestOverHttp:
    @pytest.fixture
    def client(self) -> Client:
        return make_client(make_application())

    def test_a_declared_length_over_the_limit_is_refused(self, client: Client) -> None:
        response = client.post("/api/v1/make", b" " * 1001, content_type="application/json")

        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")

    @pytest.mark.parametrize(
        "kind",
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "*/*", "application/*", "*"],
    )
    def test_only_json_is_read(self, client: Client, kind: str) -> None:
        response = client.post("/api/v1/validate", b"{}", content_type=kind)

        assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")

    def test_a_charset_is_allowed(self, client: Client) -> None:
        response = client.post(
            "/api/v1/validate", b'{"recipients": []}', content_type="application/json; charset=utf-8"
        )

        assert response.status_code == 204

    def test_malformed_json_is_a_problem(self, client: Client) -> None:
        response = client.post("/api/v1/validate", b"{", content_type="application/json")

        assert (response.status_code, response.json()["code"]) == (400, "malformed_request")

    @pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, gzip", "GZIP"])
    def test_a_compressed_body_is_refused_and_said_so(self, client: Client, encoding: str) -> None:
        response = client.post(
            "/api/v1/validate",
            gzip.compress(b'{"recipients": []}'),
            content_type="application/json",
            headers={"Content-Encoding": encoding},
        )

        assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
        assert "Content-Encoding" in response.json()["detail"]
        assert response["Accept-Encoding"] == "identity"

    def test_a_body_that_says_it_is_as_it_is_is_read(self, client: Client) -> None:
        response = client.post(
            "/api/v1/validate",
            b'{"recipients": []}',
            content_type="application/json",
            headers={"Content-Encoding": "identity"},
        )

        assert response.status_code == 204


@pytest.mark.django_db
class TestCutShort:
    @pytest.fixture
    def client(self) -> Client:
        return make_client(make_application())

    def cut(self, client: Client, path: str, body: bytes, *, missing: int, kind: str, **headers: str) -> Any:
        length = str(len(body) + missing)
        extra: dict[str, Any] = {"CONTENT_LENGTH": length, "CONTENT_TYPE": kind, "wsgi.input": io.BytesIO(body)}
        return client.generic("POST", f"/api/v1/{path}", b"", content_type=kind, headers=headers, **extra)

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
    def test_a_notification_that_lacks_its_end_is_not_accepted(self, client: Client, headers: dict[str, str]) -> None:
        body = b'{"to": {"email": "a@b.cn"}, "channels": ["email"], "content": {"subject": "s", "text": "t"}}'

        response = self.cut(client, "notifications", body, missing=1, kind="application/json", **headers)

        assert (response.status_code, response.json()["code"]) == (400, "malformed_request")
        assert not Notification.objects.exists()

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
    def test_a_batch_of_lines_that_lacks_its_end_is_not_accepted(self, client: Client, headers: dict[str, str]) -> None:
        head = b'{"channels": ["email"], "content": {"subject": "s", "text": "t"}}\n'
        body = head + b'{"to": {"email": "a@b.cn"}}\n' * 3

        response = self.cut(client, "notifications/batch", body, missing=28, kind="application/x-ndjson", **headers)

        assert (response.status_code, response.json()["code"]) == (400, "malformed_request")
        assert not Notification.objects.exists()

    def test_a_first_line_beyond_the_limit_is_too_large(self, client: Client, settings: Any) -> None:
        settings.NOTIFY = {**settings.NOTIFY, "MAX_BODY_BYTES": 1000}
        body = b'{"channels": ["email"], "metadata": {"a": "%s"}}\n{}\n' % (b"x" * 1000)

        response = client.post("/api/v1/notifications/batch", body, content_type="application/x-ndjson")

        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")

    def test_lines_are_not_read_compressed_either(self, client: Client) -> None:
        response = client.post(
            "/api/v1/notifications/batch",
            gzip.compress(b"{}"),
            content_type="application/x-ndjson",
            headers={"Content-Encoding": "gzip"},
        )

        assert response.status_code == 415
