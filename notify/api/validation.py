"""From pydantic's verdicts to the errors of the API: stable codes, readable paths, and never the value itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from notify.errors import FieldError, InvalidRequest

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

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

_TIME: Final = _("Write an ISO 8601 date and time with its zone, such as 2026-01-31T09:00:00+08:00.")
_OBJECT: Final = _("This should be an object.")
_TEXT: Final = _("This should be text.")
_WHOLE: Final = _("This should be a whole number.")
_NUMBER: Final = _("This should be a number.")
_BOOLEAN: Final = _("This should be true or false.")
_ONE_OF: Final = _("This should be {expected}.")
_ID: Final = _("Write a UUID.")
_MOST: Final = _("The greatest length is {max_length}.")
_LEAST: Final = _("The least length is {min_length}.")

#: What is said of pydantic's error types, with its context filled in. Its own words are for those who program it.
_DETAILS: Final[dict[str, StrPromise]] = {
    "missing": _("This field is required."),
    "extra_forbidden": _("There is no such field here."),
    "none_required": _("This should be null."),
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": _("This is not valid Unicode text."),
    "string_too_long": _MOST,
    "string_too_short": _LEAST,
    "too_long": _MOST,
    "bytes_too_long": _("At most {max_length} bytes of JSON."),
    "too_short": _LEAST,
    "string_pattern_mismatch": _("This should match the pattern {pattern}."),
    "literal_error": _ONE_OF,
    "enum": _ONE_OF,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "greater_than": _("This should be more than {gt}."),
    "greater_than_equal": _("This should be at least {ge}."),
    "less_than": _("This should be less than {lt}."),
    "less_than_equal": _("This should be at most {le}."),
    "list_type": _("This should be a list."),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "uuid_type": _ID,
    "uuid_parsing": _ID,
    "timezone_aware": _("Write the time zone too: an offset such as +08:00, or Z."),
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_from_date_parsing": _TIME,
}
_INVALID: Final = _("This is not valid.")
_PYDANTICS: Final = frozenset(get_args(ErrorType))

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


def _detail(fault: ErrorDetails) -> str:
    kind, words = fault["type"], fault["msg"]
    if kind in _DETAILS:
        try:
            return str(_DETAILS[kind]).format_map(fault.get("ctx", {}))
        except KeyError:
            return words  # a type of our own making that is called as one of pydantic's
    if kind in ("value_error", "assertion_error") or kind not in _PYDANTICS:
        return words.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return str(_INVALID)


def field_errors(error: ValidationError, *, prefix: str = "") -> list[FieldError]:
    """Every fault in ``error``, at most a hundred, with paths that start at ``prefix``."""
    return [
        FieldError(
            path=join_path(fault["loc"], prefix=prefix),
            code=error_code(fault["type"]),
            detail=_detail(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)[:_MAX_ERRORS]
    ]


def parse(model: type[Model], data: Any, *, prefix: str = "") -> Model:
    """``data`` as a ``model``. Raises InvalidRequest with the path of every fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidRequest("The request has faults; see errors.", errors=field_errors(error, prefix=prefix)) from None
