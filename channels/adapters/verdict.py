"""What a gateway's answer means, by the paths and codes its configuration names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

from jsonpath_ng import JSONPath
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.parser import parse as parse_path
from pydantic import Field, field_validator

from channels.adapters.base import AdapterConfig
from channels.adapters.http import Response, error_for, retry_after
from channels.errors import (
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.masking import mask_text
from channels.types import SendReceipt

Scalar = str | int | float | bool | None

_KINDS: Final[dict[str, type[ProviderError]]] = {
    "recipient": RecipientRejected,
    "message": MessageRejected,
    "throttled": Throttled,
    "misconfigured": Misconfigured,
    "unavailable": Unavailable,
    "unknown": OutcomeUnknown,
}


@lru_cache(maxsize=256)
def compile_path(path: str) -> JSONPath:
    """A JSON path such as ``data.code`` or ``results[0].status``. Raises ValueError when it is none."""
    try:
        return parse_path(path)
    except JSONPathError as error:
        raise ValueError(f"this is not a JSON path: {error}") from None


def check_path(value: str | None) -> str | None:
    """A validator's view of compile_path."""
    if value:
        compile_path(value)
    return value


class Success(AdapterConfig):
    """What a yes looks like: the value at ``path`` equals ``equals``, or one of them; ``0`` and ``"0"`` are one."""

    path: str
    equals: Scalar | list[Scalar]

    check_success_path = field_validator("path")(check_path)


class Errors(AdapterConfig):
    """What the provider's own codes mean. ``path`` is where the code is (by default that of ``success``), ``detail``
    where the text for people is."""

    path: str | None = None
    detail: str | None = None
    recipient: list[Scalar] = Field(default_factory=list)
    message: list[Scalar] = Field(default_factory=list)
    throttled: list[Scalar] = Field(default_factory=list)
    misconfigured: list[Scalar] = Field(default_factory=list)
    unavailable: list[Scalar] = Field(default_factory=list)
    unknown: list[Scalar] = Field(default_factory=list)

    check_paths = field_validator("path", "detail")(check_path)


class Reading(Protocol):
    """The keys of a configuration that say how to read answers."""

    @property
    def success(self) -> Success | None: ...
    @property
    def errors(self) -> Errors | None: ...
    @property
    def message_id(self) -> str | None: ...
    @property
    def receipts(self) -> bool: ...


def judge(response: Response, config: Reading) -> SendReceipt:
    """What an answer means; ``channels.adapters.http_sms`` has the order. Raises its ProviderError unless it is yes."""
    answer = parse_json(response.body)
    _raise_mapped(response, answer, config)
    if not response.ok:
        raise error_for(response)
    if config.success is not None:
        found = find(config.success.path, answer)
        if found is MISSING:
            raise OutcomeUnknown(f"the answer does not say whether it is a yes: {response.note}")
        wanted = config.success.equals if isinstance(config.success.equals, list) else [config.success.equals]
        if not among(found, wanted):
            raise Unavailable(f"the provider said no: {_detail(response, answer, config)}")
    identifier = find(config.message_id, answer)
    return SendReceipt(
        provider_message_id="" if identifier is MISSING or identifier is None else str(identifier)[:255],
        receipts=config.receipts,
    )


MISSING: Final = object()


def parse_json(body: bytes) -> object:
    """The JSON in ``body``, or MISSING."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def find(path: str | None, answer: object) -> object:
    """The first value at ``path``, or MISSING."""
    if path is None or answer is MISSING:
        return MISSING
    found = compile_path(path).find(answer)
    return found[0].value if found else MISSING


def among(value: object, wanted: list[Scalar]) -> bool:
    """Whether ``value`` is one of ``wanted``; numbers and their spelling are the same, as gateways mix them."""
    return any(value == one and type(value) is type(one) for one in wanted) or any(
        str(value) == str(one) for one in wanted if not isinstance(one, bool) and not isinstance(value, bool)
    )


def _raise_mapped(response: Response, answer: object, config: Reading) -> None:
    errors = config.errors
    if errors is None:
        return
    code = find(errors.path or (config.success.path if config.success else None), answer)
    if code is MISSING:
        return
    wait, _asked = retry_after(response.headers, now=datetime.now(UTC))
    for name, kind in _kinds(errors):
        if among(code, name):
            raise kind(_detail(response, answer, config), retry_after=wait)


def _kinds(errors: Errors) -> Iterator[tuple[list[Scalar], type[ProviderError]]]:
    return ((getattr(errors, name), kind) for name, kind in _KINDS.items())


def _detail(response: Response, answer: object, config: Reading) -> str:
    """The provider's own words for people, if it is known where they are, else the beginning of its answer."""
    words = find(config.errors.detail if config.errors else None, answer)
    return response.note if words is MISSING else mask_text(str(words))[:200]
