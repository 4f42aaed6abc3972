"""The chain of the audit: an entry's hash covers what it says and the hash of the entry before it. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

#: The hash before the first entry.
GENESIS: Final = ""
#: What PostgreSQL keeps in no text: NUL, and halves of surrogate pairs.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an entry says. Values are as the database gives them back, so that the hash can be computed anew."""

    number: int
    at: datetime
    actor: str
    origin: str
    request_id: str
    action: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str
    approved_by: Sequence[str]


def storable(text: str) -> str:
    """``text`` without what PostgreSQL can't keep; each such character becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def plain(value: Any) -> Any:
    """``value`` in the words of JSON, such that PostgreSQL's jsonb gives back the very same: whole floats as integers,
    times as text, sets sorted, anything else as its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _text(value)


def _number(value: float) -> Any:
    if not math.isfinite(value):
        return str(value)
    return int(value) if value.is_integer() else value


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return storable(str(value))


def canonical(content: Content) -> bytes:
    """The one way of writing ``content`` down."""
    fields = {name: getattr(content, name) for name in Content.__dataclass_fields__}
    fields["at"] = content.at.astimezone(UTC).isoformat(timespec="microseconds")
    fields["approved_by"] = list(content.approved_by)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(content: Content, *, previous_hash: str) -> str:
    """The hash of the entry that says ``content`` and follows the one whose hash is ``previous_hash``; hexadecimal."""
    return hashlib.sha256(previous_hash.encode() + b"\n" + canonical(content)).hexdigest()
