"""Pieces of the API's description that every view has."""

from __future__ import annotations

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
