"""What a provider's report means to a delivery: pure decisions.

Receipts come twice, late and in any order. What stands in the end does not depend on it: *delivered* is stronger than
*not delivered*, since a person who has a message keeps it, and what is said again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from channels.errors import OutcomeUnknown
from channels.types import DeliveryEvent
from notify import outcomes, steps
from notify.facts import Facts
from notify.models.delivery import DeliveryStatus
from notify.models.event import EventType
from notify.outcomes import Rules
from notify.reported import Reported
from notify.retry import RetryDecision, Verdict
from notify.rows import EventRow, Outcome

#: The error of a delivery that its provider took, and reports as not delivered.
UNDELIVERED: Final = "undelivered"


class Meaning(StrEnum):
    """What a receipt does. ``early``: it is to be looked at again; ``unknown``: there is no such message."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    CONTRADICTED = "contradicted"
    IGNORED = "ignored"
    EARLY = "early"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A report, and when it came to us."""

    event: DeliveryEvent
    came_at: datetime


def strongest(receipts: Iterable[Receipt]) -> Receipt:
    """Of several on one message, the one that counts: the first that says delivered, else the first."""
    every = list(receipts)
    return next((one for one in every if one.event.delivered), every[0])


def read(known: Reported, *, delivered: bool) -> Meaning:
    """What it means that ``known`` is reported as delivered, or not."""
    if known.status == DeliveryStatus.SENDING:
        return Meaning.EARLY  # what is being said to the provider just now decides
    if delivered:
        return _DELIVERED.get(known.status, Meaning.IGNORED)
    if not known.asked_last:
        return Meaning.IGNORED  # of what another was asked for since, it says nothing
    if known.status == DeliveryStatus.HELD and known.error_code == OutcomeUnknown.code:
        return Meaning.FAILED  # nobody knew whether it was taken: now it is known that it came to nothing
    if known.status == DeliveryStatus.FAILED and known.error_code == UNDELIVERED:
        return Meaning.DUPLICATE
    return _NOT_DELIVERED.get(known.status, Meaning.IGNORED)


#: What waits for another try, or for a person, was taken after all, and is not to be sent again; nor, where it can
#: still be helped, by the channel that took over from what had failed. What has expired may have been taken as well: by
#: one that gave no answer, before another asked for patience. What was cancelled stays so: whoever cancelled it was
#: told that it is, and nobody can have it sent again.
_DELIVERED: Final[dict[str, Meaning]] = {
    DeliveryStatus.SENT: Meaning.DELIVERED,
    DeliveryStatus.QUEUED: Meaning.DELIVERED,
    DeliveryStatus.HELD: Meaning.DELIVERED,
    DeliveryStatus.FAILED: Meaning.DELIVERED,
    DeliveryStatus.DEAD: Meaning.DELIVERED,
    DeliveryStatus.EXPIRED: Meaning.DELIVERED,
    DeliveryStatus.DELIVERED: Meaning.DUPLICATE,
}
_NOT_DELIVERED: Final[dict[str, Meaning]] = {
    DeliveryStatus.SENT: Meaning.FAILED,
    DeliveryStatus.DELIVERED: Meaning.CONTRADICTED,
}


def deliver(*, known: Reported, receipt: Receipt, facts: Facts | None, provider: str, now: datetime) -> Outcome:
    """What to write of a delivery that the person has. ``facts`` only where the application is to be told."""
    at = max(receipt.event.at, known.sent_at) if known.sent_at is not None else receipt.event.at
    outcome = Outcome(
        id=known.id,
        status=DeliveryStatus.DELIVERED,
        provider=provider,
        delivered_at=min(at, now),
        finished_at=now,
        events=(_event(known, receipt, provider, "delivered"),),
    )
    return outcome if facts is None else outcomes.tell(known.claimed, facts, outcome, now)


def fail(
    *, known: Reported, receipt: Receipt, facts: Facts | None, provider: str, now: datetime, rules: Rules
) -> Outcome:
    """What to write of a delivery that did not reach the person: it failed for good, and the next channel of its route
    takes over, if there is one and nobody cancelled it. ``facts`` None: its notification is gone."""
    event = _event(known, receipt, provider, UNDELIVERED)  # first, as it happened
    reason = outcomes.clean(f"{provider} took it and reports that it was not delivered: {receipt.event.detail}")
    base = Outcome(
        id=known.id,
        status=DeliveryStatus.FAILED,
        provider=provider,
        error_code=UNDELIVERED,
        error_detail=reason.removesuffix(": "),
        finished_at=now,
    )
    if facts is not None:
        decision = RetryDecision(verdict=Verdict.FAIL, code=UNDELIVERED, reason=base.error_detail)
        base = outcomes.end(claimed=known.claimed, facts=facts, base=base, decision=decision, now=now, rules=rules)
        base = steps.heeding(base, cancelled=known.is_cancelled)
    return replace(base, events=(event, *base.events))


def _event(known: Reported, receipt: Receipt, provider: str, outcome: str) -> EventRow:
    event = outcomes.event_row(known.claimed, EventType.RECEIPT, receipt.event.detail)
    return event._replace(provider=provider, outcome=outcome)
