"""From pydantic's verdicts to the errors of the API: stable codes, readable paths, and never the value itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from notify.errors import FieldError, InvalidRequest

_MAX_ERRORS: Final = 100
_MAX_KEY: Final = 64

#: pydantic's error types by our code. What is not here and ends in ``_type`` or ``_parsing`` is a ``wrong_type``.
_CODES: Final[dict[str, str]] = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "none_required": "not_allowed",
    "string_too_long": "too_long",
    "bytes_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "literal_error": "not_allowed",
    "enum": "not_allowed",
    "string_pattern_mismatch": "wrong_format",
    "uuid_parsing": "wrong_format",
    "datetime_parsing": "wrong_format",
    "datetime_from_date_parsing": "wrong_format",
    "date_parsing": "wrong_format",
    "timezone_aware": "timezone_required",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "string_unicode": "invalid_text",
    "value_error": "invalid",
    "assertion_error": "invalid",
}

#: Where pydantic's own words would quote the value, or say less than they could.
_DETAILS: Final[dict[str, str]] = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here.",
    "uuid_parsing": "Write a UUID.",
    "timezone_aware": "Write the time zone too: an offset such as +08:00, or Z.",
    "datetime_parsing": "Write an ISO 8601 date and time with its zone, such as 2026-01-31T09:00:00+08:00.",
    "datetime_from_date_parsing": "Write an ISO 8601 date and time with its zone, such as 2026-01-31T09:00:00+08:00.",
    "datetime_type": "Write an ISO 8601 date and time with its zone, such as 2026-01-31T09:00:00+08:00.",
}

Model = TypeVar("Model", bound=BaseModel)


class Input(BaseModel):
    """The root of everything that a request may hold: unknown fields are refused, and what came in is never quoted."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def error_code(kind: str) -> str:
    """Our code for one of pydantic's error types; a type of our own making (PydanticCustomError) is kept."""
    if kind in _CODES:
        return _CODES[kind]
    if kind.endswith(("_type", "_parsing", "_parsing_size")):
        return "wrong_type"
    return kind


def _shorten(key: str) -> str:
    """A key that the client sent, as it may stand in an answer or a log."""
    clean = "".join(character if character.isprintable() else "�" for character in key[: _MAX_KEY + 1])
    return f"{clean[:_MAX_KEY]}…" if len(clean) > _MAX_KEY else clean


def join_path(parts: Sequence[int | str], *, prefix: str = "") -> str:
    """``("recipients", 3, "to", "email")`` -> ``recipients[3].to.email``."""
    path = prefix
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{_shorten(part)}" if path else _shorten(part)
    return path


def _detail(kind: str, message: str) -> str:
    if kind in _DETAILS:
        return _DETAILS[kind]
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "This should be an object."
    if message.startswith("Input should be "):
        return f"This should be {message.removeprefix('Input should be ')}."
    return message.removeprefix("Value error, ")


def field_errors(error: ValidationError, *, prefix: str = "") -> list[FieldError]:
    """Every fault in ``error``, at most a hundred, with paths that start at ``prefix``."""
    return [
        FieldError(
            path=join_path(fault["loc"], prefix=prefix),
            code=error_code(fault["type"]),
            detail=_detail(fault["type"], fault["msg"]),
        )
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
    ]


def parse(model: type[Model], data: Any, *, prefix: str = "") -> Model:
    """``data`` as a ``model``. Raises InvalidRequest with the path of every fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidRequest("The request has faults; see errors.", errors=field_errors(error, prefix=prefix)) from None
