"""How much is read of a body, and what counts as JSON."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client, RequestFactory

from notify.api.parsers import parse_json, read_body
from notify.errors import MalformedRequest, PayloadTooLarge
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


@pytest.mark.django_db
@pytest.mark.urls("tests.notify.probe_urls")
class TestOverHttp:
    @pytest.fixture
    def client(self) -> Client:
        return make_client(make_application())

    def test_a_declared_length_over_the_limit_is_refused(self, client: Client) -> None:
        response = client.post("/api/v1/make", b" " * 1001, content_type="application/json")

        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
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
