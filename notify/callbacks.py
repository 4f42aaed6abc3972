"""Status callbacks: what an application is told about its deliveries, over the webhook lanes.

The payload follows Standard Webhooks ("Payload structure": type, timestamp, data). A callback is a delivery of its own
kind, so that it is retried, dead-lettered and accounted for like any other, and its retries block nothing else.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from channels.names import lane_name
from notify.facts import Facts
from notify.ids import new_id
from notify.models.delivery import DeliveryKind, DeliveryStatus
from notify.rows import Claimed, DeliveryRow, Outcome

#: How long a status callback is worth delivering.
TTL: Final = timedelta(hours=24)


def row(*, claimed: Claimed, facts: Facts, outcome: Outcome, now: datetime) -> DeliveryRow:
    """The status callback about ``outcome``, ready for its lane."""
    error = {"code": outcome.error_code, "detail": outcome.error_detail} if outcome.error_code else None
    payload = {
        "type": f"delivery.{outcome.status}",
        "timestamp": now.isoformat(),
        "data": {
            "notification_id": str(facts.id),
            "batch_id": str(facts.batch_id) if facts.batch_id else None,
            "ref": facts.ref or None,
            "metadata": dict(facts.metadata),
            "test": claimed.is_test,
            "delivery": {
                "id": str(claimed.id),
                "channel": claimed.channel,
                "status": str(outcome.status),
                "provider": outcome.provider or None,
                "attempts": claimed.attempts + outcome.used,
                "error": error,
            },
        },
    }
    return DeliveryRow(
        id=new_id(),
        notification_id=facts.id,
        application_id=facts.application_id,
        batch_id=None,
        kind=DeliveryKind.CALLBACK,
        channel="webhook",
        lane=lane_name("webhook", "bulk"),
        step=0,
        address=facts.callback_url,
        payload=json.dumps(payload, ensure_ascii=False),  # orjson stops at 64 bits, and jsonb gives back more
        is_test=False,
        status=DeliveryStatus.QUEUED,
        due_at=now,
        deadline=now + TTL,
        step_deadline=None,
        created_at=now,
    )
