"""An order: what an application asks for, as plain data, before it is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the recipients of one request have in common. ``template`` or ``content``, not both."""

    channels: Sequence[str]
    route: str
    template: str | None = None
    content: Mapping[str, str] | None = None
    locale: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    priority: str = "normal"
    category: str = ""
    send_at: datetime | None = None
    expires_at: datetime | None = None
    ttl_s: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    callback_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One person: addresses by the names of the API (``email``, ``phone``, …), and what is theirs alone."""

    to: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ref: str = ""
