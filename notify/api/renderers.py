"""JSON out: orjson, times in UTC with a Z."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS

_ANYTHING = ("*/*", "application/json")


def _encode(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def encode(data: Any) -> bytes:
    """``data`` as JSON: dataclasses, UUIDs and times included."""
    try:
        return orjson.dumps(data, default=_encode, option=_OPTIONS)
    except TypeError:
        # Integers beyond 64 bits, or depths: rows from before such were refused hold them, and are read all the same.
        return json.dumps(data, default=_encode_alone, separators=(",", ":")).encode()


def _encode_alone(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, default=_encode, option=_OPTIONS))


class JsonRenderer(BaseRenderer):
    """Writes ``application/json``."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body of an answer; nothing for an answer without one."""
        return b"" if data is None else encode(data)


class Negotiation(DefaultContentNegotiation):
    """REST framework's, with a short way for clients that take anything, or JSON: nearly all of them."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Who writes the answer, and what it is."""
        first = next(iter(renderers))
        if request.META.get("HTTP_ACCEPT", "*/*") in _ANYTHING and first.media_type == "application/json":
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
