"""The story that the API's documentation tells: one notification, its retry, its batch, its dead letter."""

from __future__ import annotations

from typing import Any, Final

_NOTIFICATION_ID: Final = "01a20e5f-2c40-7a11-9d57-3f1b6c0a7e21"
_DELIVERY_ID: Final = "01a20e5f-2c40-7a12-8b3e-94c1d2f05a68"
_BATCH_ID: Final = "01a20e5e-91d8-7c02-b1a4-5b7f3e9d0c34"
_DEAD_LETTER_ID: Final = "01a20e61-07b2-7f43-a6c8-1d2e3f4a5b6c"

CURSOR: Final = "AaIOXyxAehGdVz8bbAp-IQ"

DELIVERY: Final[dict[str, Any]] = {
    "id": _DELIVERY_ID,
    "channel": "sms",
    "to": "+86*******1234",
    "status": "sent",
    "provider": "sms-b",
    "attempts": 2,
    "error": None,
    "created_at": "2026-11-24T08:30:00.000Z",
    "due_at": "2026-11-24T08:30:02.412Z",
    "sent_at": "2026-11-24T08:30:02.655Z",
    "delivered_at": None,
}

NOTIFICATION: Final[dict[str, Any]] = {
    "id": _NOTIFICATION_ID,
    "status": "sent",
    "created_at": "2026-11-24T08:30:00.000Z",
    "deliveries": [DELIVERY],
    "template": {"key": "otp", "version": 3},
    "locale": "zh-CN",
    "priority": "critical",
    "category": "security",
    "route": "first",
    "channels": ["sms", "email"],
    "metadata": {"order": "A-1001"},
    "ref": None,
    "batch_id": None,
    "test": False,
    "send_at": None,
    "expires_at": "2026-11-24T08:35:00.000Z",
}

CANCELLED: Final[dict[str, Any]] = {
    **NOTIFICATION,
    "status": "cancelled",
    "deliveries": [{**DELIVERY, "status": "cancelled", "provider": None, "attempts": 0, "sent_at": None}],
}


def _event(at: str, kind: str, elapsed_ms: int, **known: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("delivery_id", "channel", "provider", "attempt", "outcome", "reason", "actor"))
    return {"at": f"2026-11-24T08:30:{at}Z", "type": kind, **blank, **known, "elapsed_ms": elapsed_ms}


_OF_DELIVERY: Final = {"delivery_id": _DELIVERY_ID, "channel": "sms"}
_FIRST: Final = {**_OF_DELIVERY, "provider": "sms-a", "attempt": 1, "outcome": "unavailable"}

TIMELINE: Final[dict[str, Any]] = {
    "events": [
        _event("00.000", "accepted", 0),
        _event("00.000", "queued", 0, **_OF_DELIVERY),
        _event("00.014", "claimed", 14, **_OF_DELIVERY, attempt=1, actor="sms@worker-1"),
        _event("00.409", "attempted", 395, **_FIRST, reason="HTTP 503; weight 70 of 100"),
        _event("00.409", "retried", 0, **_FIRST, reason="unavailable: HTTP 503; again at 2026-11-24T08:30:02.412Z"),
        _event("02.420", "claimed", 2011, **_OF_DELIVERY, attempt=2, actor="sms@worker-1"),
        _event("02.655", "attempted", 235, **_OF_DELIVERY, provider="sms-b", attempt=2, outcome="sent"),
    ]
}

BATCH: Final[dict[str, Any]] = {
    "id": _BATCH_ID,
    "created_at": "2026-11-24T08:29:20.600Z",
    "accepted": 10000,
    "rejected": 2,
    "test": False,
    "status": "in_progress",
    "complete": False,
    "awaiting_receipts": 120,
    "counts": {
        "scheduled": 0,
        "queued": 812,
        "sending": 500,
        "sent": 8640,
        "delivered": 0,
        "failed": 41,
        "dead": 7,
        "expired": 0,
        "cancelled": 0,
        "suppressed": 0,
        "held": 0,
    },
    "failures": 48,
    "deliveries": 10000,
}

DEAD_LETTER: Final[dict[str, Any]] = {
    "id": _DEAD_LETTER_ID,
    "delivery_id": _DELIVERY_ID,
    "notification_id": _NOTIFICATION_ID,
    "channel": "sms",
    "lane": "sms.critical",
    "provider": "sms-a",
    "reason": "attempts_used_up",
    "detail": "attempt 10 was the last: HTTP 503",
    "attempts": 10,
    "state": "open",
    "test": False,
    "created_at": "2026-11-24T08:31:49.042Z",
    "resolved_at": None,
    "resolved_by": None,
    "history": [
        {
            "attempt": 10,
            "provider": "sms-a",
            "outcome": "unavailable",
            "detail": "HTTP 503",
            "reason": "weight 70 of 100",
            "started_at": "2026-11-24T08:31:48.640Z",
            "latency_ms": 401.7,
            "retry_at": None,
        }
    ],
}

SKIPPED: Final[list[dict[str, Any]]] = [{"id": "01a20e61-0000-7000-8000-000000000000", "reason": "already_replayed"}]

SEND_TEMPLATE: Final[dict[str, Any]] = {
    "to": {"phone": "+8613800001234", "email": "li@example.com"},
    "channels": ["sms", "email"],
    "route": "first",
    "template": "otp",
    "locale": "zh-CN",
    "params": {"code": "123456"},
    "priority": "critical",
    "category": "security",
    "ttl_s": 300,
}

SEND_CONTENT: Final[dict[str, Any]] = {
    "to": {"email": "li@example.com"},
    "channels": ["email"],
    "content": {"subject": "Your invoice", "text": "It is attached to your account.", "html": "<p>It is.</p>"},
    "metadata": {"order": "A-1001"},
    "ref": "invoice-1001",
}

ACCEPTED: Final[dict[str, Any]] = {
    "id": _NOTIFICATION_ID,
    "status": "queued",
    "created_at": "2026-11-24T08:30:00.000Z",
    "deliveries": [{"id": _DELIVERY_ID, "channel": "sms", "status": "queued", "to": "+86*******1234"}],
}

SEND_BATCH: Final[dict[str, Any]] = {
    "channels": ["email"],
    "template": "invoice",
    "locale": "zh-CN",
    "params": {"month": "2026-11"},
    "priority": "bulk",
    "recipients": [
        {"to": {"email": "li@example.com"}, "params": {"amount": "12.50"}, "ref": "invoice-1001"},
        {"to": {"email": "wang@example.com"}, "params": {"amount": "8.00"}, "ref": "invoice-1002"},
    ],
    "on_invalid": "skip",
}

ACCEPTED_BATCH: Final[dict[str, Any]] = {
    "batch_id": _BATCH_ID,
    "accepted": 2,
    "rejected": [
        {
            "index": 2,
            "errors": [{"path": "to.email", "code": "invalid_email", "detail": "This is not an email address."}],
        }
    ],
}
