"""Pieces of the API's description that every view has."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from pydantic import BaseModel


class ProblemField(BaseModel):
    """One fault of a request: where, which, and in words."""

    path: str
    code: str
    detail: str


class ProblemShape(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField]
    request_id: str


#: For every POST.
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    type={"type": "string", "minLength": 1, "maxLength": 255},
    location=OpenApiParameter.HEADER,
    description="Of your making, one for each thing to be done. The same request again gets the first answer, with "
    "`Idempotent-Replayed: true`; another request with it is refused.",
)

_ALWAYS: Final = (401, 403, 429, 503)


def answers(shape: type[BaseModel], *problems: int, success: int = 200) -> dict[Any, Any]:
    """``success`` with ``shape``, and the problems: those given and those that every call may have."""
    found: dict[Any, Any] = {success: shape}
    for status in sorted({*problems, *_ALWAYS}):
        phrase = HTTPStatus(status).phrase
        found[status, "application/problem+json"] = OpenApiResponse(response=ProblemShape, description=phrase)
    return found


def identifier(name: str, description: str) -> OpenApiParameter:
    """An id in a path."""
    return OpenApiParameter(name, type=OpenApiTypes.UUID, location=OpenApiParameter.PATH, description=description)


# --- what is the same everywhere, and so is added to all of it --------------------------------------------------------

_TEXT: Final = {"type": "string"}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": {
        "description": "The id of the request: yours, if you sent one.",
        "required": True,
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "So many seconds later it is worth another try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "required": True, "schema": _TEXT},
    "RateLimit": {"description": "What is left of the application's limits, where it has any.", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The application's limits, where it has any.", "schema": _TEXT},
    "Idempotent-Replayed": {
        "description": "`true` on the first answer's repetition.",
        "schema": {"type": "string", "const": "true"},
    },
}


def complete(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: adds the headers of every answer, and says where a body can't be left out."""
    schemas = result["components"]["schemas"]
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                names = _header_names(operation, HTTPStatus(int(status)))
                answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
            body = operation.get("requestBody")
            if body is not None and _is_needed(body["content"], schemas):
                body["required"] = True
    result["components"]["headers"] = _HEADERS
    return result


def _header_names(operation: dict[str, Any], status: HTTPStatus) -> Iterator[str]:
    yield "X-Request-ID"
    if status == HTTPStatus.UNAUTHORIZED:
        yield "WWW-Authenticate"
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        yield "Retry-After"
    if status == HTTPStatus.ACCEPTED:
        yield from ("RateLimit", "RateLimit-Policy")
    named = {parameter["name"] for parameter in operation.get("parameters", ())}
    if status < HTTPStatus.MULTIPLE_CHOICES and IDEMPOTENCY_KEY.name in named:
        yield "Idempotent-Replayed"


def _is_needed(content: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether ``{}``, which an empty body stands for, would not do."""
    name = content["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
    schema = schemas.get(name, {})
    return bool(schema.get("required") or schema.get("oneOf"))
