"""What is said of recorded outcomes: to the rooms above by a signal, to the log where a message came to a bad end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from channels.types import SendResult
from notify import signals
from notify.facts import Facts
from notify.models.delivery import DeliveryStatus
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

_BAD_ENDS: Final = (DeliveryStatus.FAILED, DeliveryStatus.DEAD, DeliveryStatus.HELD, DeliveryStatus.EXPIRED)

Recorded = tuple[Claimed, Facts, Outcome]


def tell(*, recorded: Sequence[Recorded], results: Sequence[SendResult], lane: str, now: datetime) -> None:
    """Tells of what was written for ``lane``, and of the conversations that led to it."""
    signals.send_recorded(
        tries=[
            signals.RecordedTry(
                lane=lane,
                provider=attempt.provider,
                outcome=attempt.error.code if attempt.error else "sent",
                latency_s=attempt.latency_ms / 1000,
            )
            for result in results
            for attempt in result.tries
        ],
        results=[
            signals.RecordedResult(
                lane=lane,
                provider=outcome.provider,
                status=outcome.status,
                age_s=(now - claimed.created_at).total_seconds(),
            )
            for claimed, _facts, outcome in recorded
        ],
    )
    for claimed, facts, outcome in recorded:
        if outcome.status in _BAD_ENDS:
            logger.info("delivery %s", outcome.status, extra=_identity(claimed, facts, outcome))


def _identity(claimed: Claimed, facts: Facts, outcome: Outcome) -> dict[str, str]:
    return {
        "delivery_id": str(claimed.id),
        "notification_id": str(facts.id),
        "request_id": facts.request_id,
        "application": facts.application,
        "lane": claimed.lane,
        "provider": outcome.provider,
        "error_code": outcome.error_code,
        "error_detail": outcome.error_detail,
    }
