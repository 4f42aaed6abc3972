"""What leaves a process in a log line or an error report: no personal data, no secrets, and never too much of it.

Pure functions on plain values, shared by the logs and Sentry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from channels.masking import mask_text

MAX_TEXT: Final = 16_384
MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 300
#: More than the longest address: what the cut left in two, and unmasked, lies within it and goes.
_MARGIN: Final = 512
#: A number with its plus and seven digits; only an address with an @ is shorter.
_SHORTEST_SECRET: Final = 8
MASK: Final = "***"

#: Values under these names are secrets whatever they look like.
SECRET_NAMES: Final = frozenset(
    {
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "cookies",
        "credentials",
        "csrftoken",
        "http_authorization",
        "http_cookie",
        "idempotency-key",
        "idempotency_key",
        "http_idempotency_key",
        "password",
        "passwd",
        "proxy-authorization",
        "query_string",
        "secret",
        "secret_key",
        "sessionid",
        "set-cookie",
        "signing_secret",
        "token",
        "x-api-key",
    }
)

# PostgreSQL quotes whole rows, message texts and all, in the details of its errors.
_QUOTED_ROWS: Final = (
    (re.compile(r"(Failing row contains) \(.*?\)\.(?=\n|$)", re.DOTALL), r"\1 (***)."),
    (re.compile(r"(Key \([^)]*\))=\(.*?\)(?= (?:already|is not|is still|conflicts))", re.DOTALL), r"\1=(***)"),
    (re.compile(r"(COPY \w+, line \d+(?:, column \w+)?): \".*?\"(?=\n|$)", re.DOTALL), r'\1: "***"'),
    (re.compile(r"(parameter \$\d+) = '.*?'(?=\n|$|,)", re.DOTALL), r"\1 = '***'"),
)


def scrub_text(text: str) -> str:
    """``text`` with addresses, numbers, keys and rows of the database masked, and its middle left out when it is
    long."""
    if len(text) < _SHORTEST_SECRET and "@" not in text:
        return text
    if len(text) <= MAX_TEXT:
        return _mask(text)
    head, tail = MAX_TEXT * 3 // 4, MAX_TEXT // 4
    return f"{_mask(text[: head + _MARGIN])[:-_MARGIN]} … {_mask(text[-tail - _MARGIN :])[_MARGIN:]}"


def scrub(value: Any, *, max_depth: int = MAX_DEPTH) -> Any:
    """``value`` as something JSON can hold, all of its strings scrubbed, no deeper than ``max_depth`` and no container
    longer than ``MAX_ITEMS``."""
    if isinstance(value, str):
        return scrub_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _scrub_container(value, max_depth - 1) if max_depth > 0 else "…"
    return scrub_text(_words(value))


def _scrub_container(value: Any, max_depth: int) -> Any:
    if isinstance(value, Mapping):
        return {
            scrub_text(str(key)): MASK if _is_secret(key) and item else scrub(item, max_depth=max_depth)
            for key, item in list(value.items())[:MAX_ITEMS]
        }
    return [scrub(item, max_depth=max_depth) for item in list(value)[:MAX_ITEMS]]


def _is_secret(name: Any) -> bool:
    return isinstance(name, str) and name.lower() in SECRET_NAMES


def _words(value: Any) -> str:
    try:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "replace")
        return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
    except Exception:  # noqa: BLE001  (a foreign __str__ may raise anything, and a log line must not)
        return f"<{type(value).__name__}>"


def _mask(text: str) -> str:
    text = mask_text(text)
    if "DETAIL" in text or "CONTEXT" in text or "Failing row" in text:
        for pattern, replacement in _QUOTED_ROWS:
            text = pattern.sub(replacement, text)
    return text
