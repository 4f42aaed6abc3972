"""The API's answers as plain data, in the shapes of ``notify.api.shapes``.

Never parameters, content or full addresses; free text that came from providers or people is masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from channels.masking import mask_address, mask_text
from notify.models import Attempt, Batch, DeadLetter, Delivery, DeliveryStatus, Notification
from notify.models.delivery import IN_FLIGHT
from notify.queries import notification_status
from notify.timeline import TimelineEvent

#: What a batch's state counts as failures, apart from the rest.
_FAILURES: Final = (DeliveryStatus.FAILED, DeliveryStatus.DEAD, DeliveryStatus.EXPIRED)


class NewNotification(Protocol):
    """What a notification's row says at acceptance, whichever class holds it."""

    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


class NewDelivery(Protocol):
    """What a delivery's row says at acceptance, whichever class holds it."""

    @property
    def id(self) -> UUID: ...
    @property
    def channel(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def address(self) -> str: ...


def accepted(notification: NewNotification, deliveries: Sequence[NewDelivery]) -> dict[str, Any]:
    """An AcceptedShape."""
    return {
        "id": notification.id,
        "status": notification_status(deliveries),
        "created_at": notification.created_at,
        "deliveries": [
            {
                "id": delivery.id,
                "channel": delivery.channel,
                "status": delivery.status,
                "to": mask_address(delivery.channel, delivery.address),
            }
            for delivery in deliveries
        ],
    }


def delivery(row: Delivery) -> dict[str, Any]:
    """A DeliveryShape."""
    return {
        "id": row.id,
        "channel": row.channel,
        "to": mask_address(row.channel, row.address),
        "status": row.status,
        "provider": row.provider or None,
        "attempts": row.attempts,
        "error": {"code": row.error_code, "detail": mask_text(row.error_detail)} if row.error_code else None,
        "created_at": row.created_at,
        "due_at": row.due_at,
        "sent_at": row.sent_at,
        "delivered_at": row.delivered_at,
    }


def notification(row: Notification, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """A NotificationShape. What a batch says for all of its notifications is said for each."""
    version = row.template_version
    shared: Mapping[str, Any] = row.batch.metadata if row.batch is not None else {}
    return {
        "id": row.id,
        "status": notification_status(deliveries),
        "created_at": row.created_at,
        "deliveries": [delivery(each) for each in deliveries],
        "template": {"key": version.template.key, "version": version.number} if version is not None else None,
        "locale": row.locale or None,
        "priority": row.priority,
        "category": row.category or None,
        "route": row.route,
        "channels": row.channels,
        "metadata": {**shared, **row.metadata},
        "ref": row.ref or None,
        "batch_id": row.batch_id,
        "test": row.is_test,
        "send_at": row.send_at,
        "expires_at": row.expires_at,
    }


def timeline(events: Iterable[TimelineEvent]) -> dict[str, Any]:
    """A TimelineShape."""
    return {
        "events": [
            {
                "at": event.at,
                "type": event.type,
                "delivery_id": event.delivery_id,
                "channel": event.channel,
                "provider": event.provider,
                "attempt": event.attempt,
                "outcome": event.outcome,
                "reason": _masked(event.reason),
                "actor": _masked(event.actor),
                "elapsed_ms": event.elapsed_ms,
            }
            for event in events
        ]
    }


def batch(
    row: Batch, counts: Mapping[str, int], *, is_test: bool, rescued: int = 0, awaited: int = 0
) -> dict[str, Any]:
    """A BatchShape. ``rescued``: how many failed deliveries another channel took over from; ``awaited``: of how many
    that were sent a receipt is to come."""
    complete = not awaited and not any(counts.get(status, 0) for status in IN_FLIGHT)
    ended = "cancelled" if row.cancelled_at is not None else "complete"
    return {
        "id": row.id,
        "created_at": row.created_at,
        "accepted": row.accepted,
        "rejected": row.rejected,
        "test": is_test,
        "status": ended if complete else "in_progress",
        "complete": complete,
        "awaiting_receipts": awaited,
        "counts": dict(counts),
        "failures": sum(counts.get(status, 0) for status in _FAILURES) - rescued,
        "deliveries": sum(counts.values()),
    }


def dead_letter(row: DeadLetter, attempts: Iterable[Attempt]) -> dict[str, Any]:
    """A DeadLetterShape. ``row`` is one of ``burials``, with its ``is_test``."""
    return {
        "id": row.id,
        "delivery_id": row.delivery_id,
        "notification_id": row.notification_id,
        "channel": row.channel,
        "lane": row.lane,
        "provider": row.provider or None,
        "reason": row.reason,
        "detail": _masked(row.detail),
        "attempts": row.attempts,
        "state": row.state,
        "test": bool(getattr(row, "is_test", False)),
        "created_at": row.created_at,
        "resolved_at": row.resolved_at,
        "resolved_by": _masked(row.resolved_by),
        "history": [attempt(each) for each in attempts],
    }


def attempt(row: Attempt) -> dict[str, Any]:
    """An AttemptShape."""
    return {
        "attempt": row.number,
        "provider": row.provider or None,
        "outcome": row.outcome,
        "detail": _masked(row.error_detail),
        "reason": _masked(row.reason),
        "started_at": row.started_at,
        "latency_ms": row.latency_ms,
        "retry_at": row.retry_at,
    }


def _masked(text: str | None) -> str | None:
    return mask_text(text) if text else None
