"""Receipts that came before we had written down what their provider calls the message: kept for a moment, and looked
at again less and less often. What nobody claims by then is of no message of ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from channels.types import DeliveryEvent
from notify.models import EarlyReceipt
from notify.receipt_rules import Receipt

#: A recording takes a fraction of this.
_FIRST_LOOK: Final = timedelta(seconds=1)


def any_due(*, now: datetime) -> bool:
    """Whether there are some to look at. One query, of a table that is hardly ever anything but empty."""
    return EarlyReceipt.objects.filter(due_at__lte=now).exists()


def take_due(*, limit: int, now: datetime) -> Mapping[str, Sequence[Receipt]]:
    """Takes up to ``limit`` of those that are due out of the table, by provider. What is to stay is put back by
    ``keep``, in the same transaction."""
    found: defaultdict[str, list[Receipt]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM notify_earlyreceipt WHERE id = ANY (ARRAY(SELECT id FROM notify_earlyreceipt"
            " WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED))"
            " RETURNING provider, provider_message_id, delivered, at, detail, received_at",
            [now, limit],
        )
        for provider, name, delivered, at, detail, received_at in cursor.fetchall():
            event = DeliveryEvent(provider_message_id=name, delivered=delivered, at=at, detail=detail)
            found[provider].append(Receipt(event=event, came_at=received_at))
    return found


def hasten(*, awaited: Mapping[UUID, str], now: datetime) -> set[UUID]:
    """Has receipts of deliveries of ours, each with the provider whose report is awaited, looked at as soon as can be;
    returns of which of these there are any. Read before it is written: what is just being looked at and put back is
    seen either way."""
    if not awaited:
        return set()
    kept = EarlyReceipt.objects.filter(provider_message_id__in=[str(identifier) for identifier in awaited])
    pairs = set(kept.values_list("provider_message_id", "provider"))
    found = {identifier for identifier, provider in awaited.items() if (str(identifier), provider) in pairs}
    if found:
        kept.filter(due_at__gt=now).update(due_at=now)
    return found


def keep(*, provider: str, receipts: Sequence[Receipt], now: datetime) -> int:
    """Keeps ``receipts`` for another look; returns how many it gave up instead: they have been looked at for long
    enough."""
    until = now - timedelta(seconds=settings.LANES["EARLY_RECEIPT_S"])
    rows = [
        EarlyReceipt(
            provider=provider,
            provider_message_id=one.event.provider_message_id,
            delivered=one.event.delivered,
            at=one.event.at,
            detail=one.event.detail,
            received_at=one.came_at,
            due_at=now + max(_FIRST_LOOK, now - one.came_at),
        )
        for one in receipts
        if one.came_at > until
    ]
    EarlyReceipt.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
    return len(receipts) - len(rows)
