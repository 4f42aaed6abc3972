"""Pages by cursor: as fast at the end of ten million rows as at the beginning, and steady while rows are added."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from notify.api import inputs
from notify.api.validation import Input

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200


def encode_cursor(before: UUID) -> str:
    """A cursor that goes on before this id. Opaque: clients hand it back and read nothing into it."""
    return base64.urlsafe_b64encode(before.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """The id in a cursor of ours. Raises ValueError for anything else."""
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a cursor") from None
    if len(raw) != 16:
        raise ValueError("not a cursor")
    return UUID(bytes=raw)


def _check_cursor(cursor: str) -> str:
    try:
        decode_cursor(cursor)
    except ValueError:
        raise PydanticCustomError("invalid_cursor", "Send the next_cursor of the page before, unchanged.") from None
    return cursor


Cursor = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_cursor)]
#: Times that ids and PostgreSQL can both hold.
Moment = Annotated[inputs.Moment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(9000, 1, 1, tzinfo=UTC))]


class PageQuery(Input):
    """What every list takes."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Results a page.")
    cursor: Cursor | None = Field(default=None, description="The `next_cursor` of the page before.")

    @property
    def before(self) -> UUID | None:
        """The id that this page goes on before."""
        return None if self.cursor is None else decode_cursor(self.cursor)


class CreatedQuery(PageQuery):
    """What every list of things with a time takes."""

    created_after: Moment | None = Field(default=None, description="At this time or later, with its zone.")
    created_before: Moment | None = Field(default=None, description="Before this time, with its zone.")


def page(results: list[dict[str, Any]], next_before: UUID | None) -> dict[str, Any]:
    """The body of a page; ``next_cursor`` is absent at the end."""
    if next_before is None:
        return {"results": results}
    return {"results": results, "next_cursor": encode_cursor(next_before)}


def parameters(query: type[Input]) -> list[OpenApiParameter]:
    """The query parameters that ``query`` reads, for the API's description."""
    schema = query.model_json_schema()
    return [
        OpenApiParameter(
            name,
            type=_type(field, schema.get("$defs", {})),
            location=OpenApiParameter.QUERY,
            description=field.get("description", ""),
            default=field.get("default"),
        )
        for name, field in schema["properties"].items()
    ]


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter by itself. What is not given is absent from a query, not null."""
    (kind, *_others) = (variant for variant in field.get("anyOf", [field]) if variant.get("type") != "null")
    if "$ref" in kind:
        kind = definitions[kind["$ref"].rpartition("/")[2]]
    return {key: value for key, value in kind.items() if key not in ("title", "description", "default")}
