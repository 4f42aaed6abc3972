"""What the values of a template's variables may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import orjson
from django.conf import settings

from notify.errors import FieldError

_MAX_DEPTH: Final = 8
_MAX_FAULTS: Final = 20
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def _value_faults(value: object, path: str, depth: int) -> Iterator[FieldError]:
    if isinstance(value, str):
        if _CONTROL.search(value):
            yield FieldError(path, "control_character", "Control characters are not allowed here.")
    elif isinstance(value, (dict, list)):
        if depth >= _MAX_DEPTH:
            yield FieldError(path, "too_deep", f"At most {_MAX_DEPTH} levels.")
            return
        yield from _item_faults(value, path, depth)


def _item_faults(value: dict[str, Any] | list[Any], path: str, depth: int) -> Iterator[FieldError]:
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _value_faults(inner, f"{path}[{index}]", depth + 1)
        return
    for key, inner in value.items():
        if _NAME.fullmatch(key):
            yield from _value_faults(inner, f"{path}.{key}", depth + 1)
        else:
            shown = key[:64] if key.isprintable() else "…"
            yield FieldError(f"{path}.{shown}", "wrong_format", "Names are letters, digits, _ and -, at most 64.")


def _size_faults(params: Mapping[str, Any]) -> Iterator[FieldError]:
    limit: int = settings.NOTIFY["MAX_PARAMS_BYTES"]
    try:
        size = len(orjson.dumps(params))
    except TypeError:
        yield FieldError("params", "not_allowed", "A value in here can't be written as JSON.")
        return
    if size > limit:
        yield FieldError("params", "too_long", f"At most {limit} bytes of JSON.")


def value_faults(params: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with ``params`` whatever the template: size, depth, names, control characters. At most twenty."""
    sizes = list(_size_faults(params))
    return sizes or list(islice(_value_faults(dict(params), "params", 0), _MAX_FAULTS))
