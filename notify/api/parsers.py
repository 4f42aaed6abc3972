"""JSON in: orjson, with a limit that holds whatever the headers say."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any, Protocol, cast

import orjson
from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from notify.api import bodies
from notify.errors import MalformedRequest, NotifyError, PayloadTooLarge


class Readable(Protocol):
    """What a body can be read from."""

    def read(self, size: int, /) -> bytes: ...


class UnsupportedEncoding(NotifyError):
    """Compressed bodies are not read: send it without Content-Encoding."""

    code = "unsupported_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    @property
    def headers(self) -> Mapping[str, str]:
        """What is read instead (RFC 9110, section 15.5.16)."""
        return {"Accept-Encoding": "identity"}


def _django_request(request: Request | HttpRequest) -> HttpRequest:
    return request._request if isinstance(request, Request) else request


def declared_length(request: Request | HttpRequest) -> int | None:
    """The Content-Length, or None where there is none that makes sense."""
    declared = _django_request(request).META.get("CONTENT_LENGTH")
    try:
        return max(0, int(declared)) if declared else None
    except ValueError:
        return None


def open_body(request: Request | HttpRequest) -> Readable:
    """The unread body. Chunked requests have no length, and Django takes that for an empty body: those are read from
    the server's own stream, where it promises to end it. Raises UnsupportedEncoding."""
    request = _django_request(request)
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding
    if declared_length(request) is None and request.META.get("wsgi.input_terminated"):
        return cast("IO[bytes]", request.META["wsgi.input"])
    return request


def read_body(request: Request | HttpRequest, *, limit: int | None = None) -> bytes:
    """The whole body, read once and kept. ``limit`` is in bytes (``NOTIFY["MAX_BODY_BYTES"]`` when not given); at most
    one byte more is ever read. Raises PayloadTooLarge, UnsupportedEncoding, TooManyBodies, and
    MalformedRequest for a body cut short."""
    django_request = _django_request(request)
    if hasattr(django_request, "_body"):
        return django_request.body
    limit = settings.NOTIFY["MAX_BODY_BYTES"] if limit is None else limit
    length = declared_length(django_request)
    if length is not None and length > limit:
        raise _too_large(limit)
    stream = open_body(django_request)
    with bodies.reading(request):
        raw = _read(stream, limit + 1 if length is None else length)
    if len(raw) > limit:
        raise _too_large(limit)
    if length is not None and len(raw) < length:
        raise cut_short()
    django_request._body = raw  # where Django itself keeps a body that it has read
    return raw


def _read(stream: Readable, wanted: int) -> bytes:
    first = stream.read(wanted)
    if len(first) == wanted or not first:
        return first
    pieces = [first]
    missing = wanted - len(first)
    while missing > 0 and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def cut_short() -> MalformedRequest:
    """What is said of a body whose end never came."""
    return MalformedRequest("The body ends before its Content-Length does.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than the {limit} bytes that this call takes.")


def parse_json(raw: bytes, *, what: str = "The body") -> Any:
    """``raw`` as JSON. Raises MalformedRequest that says where it stops being JSON, and never quotes it. NaN, lone
    surrogates, invalid UTF-8 and nesting past 1,024 levels are not JSON to us."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedRequest(f"{what} is not valid JSON ({place}).") from None


def read_json(request: Request | HttpRequest, *, limit: int | None = None) -> Any:
    """The body as JSON; an empty one is an empty object. Raises PayloadTooLarge and MalformedRequest."""
    raw = read_body(request, limit=limit)
    return parse_json(raw) if raw else {}


class JsonParser(BaseParser):
    """Reads ``application/json``. A view may set ``max_body_bytes``."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body of the request in ``parser_context``. Raises UnsupportedMediaType: to REST framework ``*/*`` is any
        type, and here it is none."""
        if (media_type or "").partition(";")[0].strip().lower() != self.media_type:
            raise UnsupportedMediaType(media_type or "")
        context = parser_context or {}
        return read_json(context["request"], limit=getattr(context.get("view"), "max_body_bytes", None))


class ApiRequest(Request):
    """A request whose ``data`` is found in a chunked body too."""

    def _load_stream(self) -> None:
        unread = not hasattr(self._request, "_body")
        if unread and declared_length(self) is None and self.META.get("wsgi.input_terminated"):
            self._stream: Any = open_body(self) if self.content_type else None
        else:
            super()._load_stream()  # type: ignore[misc]
