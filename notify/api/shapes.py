"""What answers look like, field by field: the API's documentation is made of these, and the tests hold the answers
(``notify.api.presentation``) against them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from notify.models import DeliveryStatus


class Shape(BaseModel):
    """The root of what answers hold."""

    model_config = ConfigDict(extra="forbid")


class DeliveryError(Shape):
    """Why a delivery is not delivered, or was not the last time it was tried."""

    code: str
    detail: str


class DeliveryShape(Shape):
    """One delivery, its address masked."""

    id: UUID
    channel: str
    to: str
    status: DeliveryStatus
    provider: str | None
    attempts: int
    error: DeliveryError | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None


class TemplateShape(Shape):
    """The version of a template that a notification was accepted with."""

    key: str
    version: int


class NotificationShape(Shape):
    """A notification and what became of it."""

    id: UUID
    status: DeliveryStatus = Field(description="Of its deliveries: what is in flight, else the best that was achieved.")
    created_at: datetime
    deliveries: list[DeliveryShape]
    template: TemplateShape | None
    locale: str | None
    priority: str
    category: str | None
    route: str
    channels: list[str]
    metadata: dict[str, Any]
    ref: str | None
    batch_id: UUID | None
    test: bool = Field(description="Whether a test key sent it.")
    send_at: datetime | None
    expires_at: datetime


class AcceptedDelivery(Shape):
    """A delivery at its birth, its address masked."""

    id: UUID
    channel: str
    status: DeliveryStatus
    to: str


class AcceptedShape(Shape):
    """A notification that was accepted: it is stored, and will not be lost."""

    id: UUID
    status: DeliveryStatus
    created_at: datetime
    deliveries: list[AcceptedDelivery]


class EventShape(Shape):
    """One thing that happened to a notification."""

    at: datetime
    type: str
    delivery_id: UUID | None
    channel: str | None
    provider: str | None
    attempt: int | None
    outcome: str | None
    reason: str | None
    actor: str | None
    elapsed_ms: int = Field(description="Since the event before it.")


class TimelineShape(Shape):
    """A notification's story, oldest first."""

    events: list[EventShape]


class RejectedFault(Shape):
    """One fault of a recipient that was left out."""

    path: str
    code: str
    detail: str


class RejectedShape(Shape):
    """A recipient that was left out of a batch: its place among the recipients, from 0, and all that is wrong."""

    index: int
    errors: list[RejectedFault]


class AcceptedBatchShape(Shape):
    """A batch that was accepted: it is stored, and will not be lost."""

    batch_id: UUID
    accepted: int
    rejected: list[RejectedShape]


class BatchShape(Shape):
    """A batch and what became of it. ``complete`` says that nothing is in flight and no receipt awaited, not that all
    went well."""

    id: UUID
    created_at: datetime
    accepted: int
    rejected: int
    test: bool = Field(description="Whether a test key sent it.")
    status: Literal["in_progress", "complete", "cancelled"]
    complete: bool
    awaiting_receipts: int = Field(description="Of those sent, how many their provider is still to report on.")
    counts: dict[str, int] = Field(description="Deliveries by state, every state present.")
    failures: int = Field(
        description="Deliveries that failed, are dead or expired, without those that another channel took over from."
    )
    deliveries: int


class AttemptShape(Shape):
    """One conversation with one provider."""

    attempt: int
    provider: str | None
    outcome: str
    detail: str | None
    reason: str | None
    started_at: datetime
    latency_ms: float
    retry_at: datetime | None


class DeadLetterShape(Shape):
    """A delivery that used up its attempts or its time, and every attempt that was made."""

    id: UUID
    delivery_id: UUID
    notification_id: UUID
    channel: str
    lane: str
    provider: str | None
    reason: str
    detail: str | None
    attempts: int
    state: str
    test: bool = Field(description="Whether a test key sent it.")
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    history: list[AttemptShape]


class NotificationPage(Shape):
    """A page of notifications, newest first."""

    results: list[NotificationShape]
    next_cursor: str | None = Field(
        default=None, description="Absent at the end. A page may be short, even empty, and still have one."
    )


class DeadLetterPage(Shape):
    """A page of dead letters, newest first."""

    results: list[DeadLetterShape]
    next_cursor: str | None = Field(default=None, description="Absent at the end.")


class SkippedShape(Shape):
    """A dead letter that was left as it is, and why."""

    id: UUID
    reason: str


class ReplayedShape(Shape):
    """How many dead letters were meant, how many were replayed, and which were not."""

    matched: int
    replayed: int
    skipped: list[SkippedShape]


class DiscardedShape(Shape):
    """How many dead letters were meant, how many were discarded, and which were not."""

    matched: int
    discarded: int
    skipped: list[SkippedShape]
