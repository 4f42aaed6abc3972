"""What is known of a notification while one of its deliveries is on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the dispatcher knows of a notification."""

    id: UUID
    application_id: int
    application: str
    priority: str
    category: str
    route: str
    channels: Sequence[str]
    to: Mapping[str, str]
    params: Mapping[str, Any]
    content: Mapping[str, str] | None
    template_version_id: int | None
    locale: str
    metadata: Mapping[str, Any]
    ref: str
    callback_url: str
    batch_id: UUID | None
    request_id: str = ""
