"""Rows of lanes, as submission makes them, for tests of what happens after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from channels.names import lane_name
from notify import lanes
from notify.ids import new_id
from notify.models import Application
from notify.rows import Claimed, DeliveryRow, NotificationRow

_NOTIFICATIONS_OWN = ("route", "channels", "to", "callback_url", "content", "category")


def enter(
    application: Application,
    *,
    count: int = 1,
    now: datetime,
    channel: str = "sms",
    priority: str = "bulk",
    due_in_s: float = 0.0,
    **values: Any,
) -> list[DeliveryRow]:
    """Puts ``count`` deliveries into a lane and returns them. ``batch_of``: the notifications' batch."""
    batch_id = values.pop("batch_of", None)
    own = {name: values.pop(name) for name in _NOTIFICATIONS_OWN if name in values}
    notifications, deliveries = [], []
    for _ in range(count):
        notification = NotificationRow(
            **{
                "id": new_id(),
                "application_id": application.pk,
                "batch_id": batch_id,
                "template_version_id": None,
                "locale": "",
                "priority": priority,
                "category": "",
                "route": "all",
                "channels": [channel],
                "to": '{"phone": "+8613800001234", "email": "a@example.com", "user_id": "u1"}',
                "params": "{}",
                "content": '{"text": "Hello", "subject": "Hi"}',
                "metadata": "{}",
                **dict.fromkeys(("ref", "callback_url", "request_id"), ""),
                "is_test": False,
                "send_at": None,
                "expires_at": now + timedelta(hours=1),
                "created_at": now,
                **own,
            }
        )
        notifications.append(notification)
        deliveries.append(
            DeliveryRow(
                **{
                    "id": new_id(),
                    "notification_id": notification.id,
                    "application_id": application.pk,
                    "batch_id": batch_id,
                    "kind": 0,
                    "channel": channel,
                    "lane": lane_name(channel, priority),
                    "step": 0,
                    "address": "+8613800001234",
                    "payload": None,
                    "is_test": False,
                    "status": "queued",
                    "due_at": now + timedelta(seconds=due_in_s),
                    "deadline": now + timedelta(hours=1),
                    "step_deadline": None,
                    "created_at": now,
                    **values,
                }
            )
        )
    lanes.enter(notifications=notifications, deliveries=deliveries)
    return deliveries


def claim(lane: str, *, limit: int = 500, now: datetime, lease: Any = None) -> list[Claimed]:
    """A claim under a lease of its own, which takes ``now`` for the time, whatever it is."""
    return lanes.claim(lane=lane, limit=limit, lease=lease or uuid4(), now=now, ahead_s=1e8)
