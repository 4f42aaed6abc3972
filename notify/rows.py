"""Rows as they travel between the code and the hot SQL: tuples in the order of their columns, for speed.

``NotificationRow``, ``DeliveryRow``, ``AttemptRow``, ``EventRow`` and ``DeadLetterRow`` are what is inserted;
``Claimed`` is what a claim returns; ``Outcome`` is what a recording writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class NotificationRow(NamedTuple):
    """A row of notify_notification. JSON columns hold text that is JSON already."""

    id: UUID
    application_id: int
    batch_id: UUID | None
    template_version_id: int | None
    locale: str
    priority: str
    category: str
    route: str
    channels: list[str]
    to: str
    params: str
    content: str | None
    metadata: str
    ref: str
    callback_url: str
    is_test: bool
    request_id: str
    send_at: datetime | None
    expires_at: datetime
    created_at: datetime


class DeliveryRow(NamedTuple):
    """A row of notify_delivery at its birth; the other columns have the defaults below."""

    id: UUID
    notification_id: UUID
    application_id: int
    batch_id: UUID | None
    kind: int
    channel: str
    lane: str
    step: int
    address: str
    payload: str | None
    is_test: bool
    status: str
    due_at: datetime
    deadline: datetime
    step_deadline: datetime | None
    created_at: datetime
    attempts: int = 0
    waits: int = 0
    replays: int = 0
    cancel_requested: bool = False
    provider: str = ""
    provider_message_id: str = ""
    error_code: str = ""
    error_detail: str = ""
    address_hash: int | None = None


class AttemptRow(NamedTuple):
    """A row of notify_attempt."""

    id: UUID
    delivery_id: UUID
    notification_id: UUID
    number: int
    channel: str
    provider: str
    outcome: str
    error_detail: str
    reason: str
    provider_message_id: str
    worker: str
    claimed_at: datetime
    started_at: datetime
    latency_ms: float
    retry_at: datetime | None


class EventRow(NamedTuple):
    """A row of notify_event."""

    id: UUID
    notification_id: UUID
    delivery_id: UUID | None
    type: str
    channel: str = ""
    provider: str = ""
    actor: str = ""
    outcome: str = ""
    reason: str = ""


class DeadLetterRow(NamedTuple):
    """A row of notify_deadletter."""

    id: UUID
    delivery_id: UUID
    notification_id: UUID
    application_id: int
    channel: str
    lane: str
    provider: str
    reason: str
    detail: str
    attempts: int
    state: str
    created_at: datetime
    resolved_by: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery this process holds a lease on."""

    id: UUID
    notification_id: UUID
    application_id: int
    batch_id: UUID | None
    kind: int
    channel: str
    lane: str
    step: int
    address: str
    payload: str | None
    is_test: bool
    due_at: datetime
    deadline: datetime
    step_deadline: datetime | None
    attempts: int
    waits: int
    replays: int
    created_at: datetime
    provider: str = ""
    error_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one claimed delivery, with all that has to be written about it in the same transaction."""

    id: UUID
    status: str
    due_at: datetime | None = None
    used: int = 0
    waited: int = 0
    provider: str = ""
    provider_message_id: str = ""
    error_code: str = ""
    error_detail: str = ""
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    finished_at: datetime | None = None
    receipt_until: datetime | None = None
    attempts: tuple[AttemptRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    next_step: DeliveryRow | None = None
    callback: DeliveryRow | None = None
    dead_letter: DeadLetterRow | None = None
