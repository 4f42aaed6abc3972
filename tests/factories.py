"""Rows for tests, through the ORM: each function makes one, with sensible values for what the test does not care about.

Ids carry the time of what they belong to (``at``), as the product's do.
"""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.test import Client

from channels.names import ADDRESS_FIELDS, lane_name
from notify import api_keys
from notify.ids import floor_id
from notify.models import (
    Application,
    Attempt,
    Batch,
    DeadLetter,
    Delivery,
    DeliveryStatus,
    Event,
    Notification,
    Route,
    Template,
    TemplateVersion,
)
from notify.models.delivery import IN_FLIGHT

ADDRESSES = {
    "email": "alice@example.com",
    "sms": "+8613800001234",
    "voice": "+8613800001234",
    "push": "device-token-abcdef",
    "im": "im-alice-abcdef",
    "webhook": "https://hooks.example.com/secret/path",
    "inapp": "user-alice",
}
TTL = timedelta(days=1)
_serial = itertools.count(1)


def now() -> datetime:
    """The time, to the millisecond: what an id can hold."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def make_id(at: datetime) -> UUID:
    """A UUIDv7 of ``at``, after those made before in the same millisecond."""
    return UUID(int=floor_id(at).int | (next(_serial) << 32) | secrets.randbits(32))


def make_application(**values: Any) -> Application:
    """An application with a name of its own."""
    return Application.objects.create(**{"name": f"app-{next(_serial)}", **values})


def make_key(application: Application, *scopes: str, is_test: bool = False) -> str:
    """A key of ``application``, as it stands in the Authorization header."""
    _key, plain = api_keys.create(
        application=application,
        scopes=list(scopes) or ["send", "read"],
        is_test=is_test,
        name="",
        expires_at=None,
        allowed_ips=[],
    )
    return plain


def make_client(application: Application, *scopes: str) -> Client:
    """A client of the API with a key of ``application``."""
    return Client(headers={"Authorization": f"Bearer {make_key(application, *scopes)}"})


def make_template(key: str, *, application: Application | None = None, number: int = 1) -> TemplateVersion:
    """A template's version, which becomes its current one."""
    template, _new = Template.objects.get_or_create(application=application, key=key)
    version = TemplateVersion.objects.create(
        template=template, number=number, contents={"email": {"en": {"subject": "Hi", "text": "Hello"}}}
    )
    template.current = version
    template.save()
    return version


def make_batch(application: Application, *, at: datetime | None = None, **values: Any) -> Batch:
    """An empty batch."""
    at = at or now()
    return Batch.objects.create(**{"id": make_id(at), "application": application, "created_at": at, **values})


def make_notification(
    application: Application, *, at: datetime | None = None, batch: Batch | None = None, **values: Any
) -> Notification:
    """A notification without deliveries, accepted at ``at``."""
    at = at or now()
    channels = values.pop("channels", ["email"])
    defaults = {
        "id": make_id(at),
        "application": application,
        "batch": batch,
        "locale": "en",
        "priority": "normal",
        "route": Route.ALL,
        "channels": channels,
        "to": {ADDRESS_FIELDS[channel]: ADDRESSES[channel] for channel in channels},
        "params": {"code": "123456"},
        "metadata": {},
        "is_test": False,
        "expires_at": at + TTL,
        "created_at": at,
    }
    return Notification.objects.create(**{**defaults, **values})


def make_delivery(
    notification: Notification,
    status: str = DeliveryStatus.QUEUED,
    *,
    channel: str = "email",
    at: datetime | None = None,
    **values: Any,
) -> Delivery:
    """A delivery of ``notification``, made at ``at`` (its acceptance)."""
    at = at or notification.created_at
    defaults = {
        "id": make_id(at),
        "notification": notification,
        "application": notification.application,
        "batch_id": notification.batch_id,
        "channel": channel,
        "lane": lane_name(channel, notification.priority),
        "address": ADDRESSES[channel],
        "status": status,
        "due_at": at,
        "deadline": notification.expires_at,
        "created_at": at,
        "finished_at": None if status in IN_FLIGHT else at,
    }
    return Delivery.objects.create(**{**defaults, **values})


def make_attempt(delivery: Delivery, outcome: str = "sent", *, at: datetime | None = None, **values: Any) -> Attempt:
    """An attempt of ``delivery`` that was claimed and begun at ``at``."""
    at = at or delivery.created_at
    defaults = {
        "id": make_id(at),
        "delivery_id": delivery.id,
        "notification_id": delivery.notification_id,
        "number": 1,
        "channel": delivery.channel,
        "provider": f"{delivery.channel}-a",
        "outcome": outcome,
        "claimed_at": at,
        "started_at": at,
        "latency_ms": 20.0,
    }
    return Attempt.objects.create(**{**defaults, **values})


def make_event(notification: Notification, type_: str, *, at: datetime, **values: Any) -> Event:
    """Something that happened to ``notification`` at ``at``."""
    return Event.objects.create(**{"id": make_id(at), "notification_id": notification.id, "type": type_, **values})


def make_dead_letter(delivery: Delivery, *, at: datetime | None = None, **values: Any) -> DeadLetter:
    """The burial of ``delivery``."""
    at = at or delivery.created_at
    defaults = {
        "id": make_id(at),
        "delivery_id": delivery.id,
        "notification_id": delivery.notification_id,
        "application": delivery.application,
        "channel": delivery.channel,
        "lane": delivery.lane,
        "provider": delivery.provider,
        "reason": "attempts_used_up",
        "detail": "attempt 8 was the last",
        "attempts": 8,
        "created_at": at,
    }
    return DeadLetter.objects.create(**{**defaults, **values})
