"""Receipts: what providers report of messages becomes their deliveries' state, and what applications are told.

A callback is one transaction, however much it says, and committed before it is answered. A receipt may be quicker than
our own record of the message it is about. Such a one is kept, looked at again by the sweep, and forgotten when its
message does not show up.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID

from django.db import transaction

from channels import quality
from channels.names import is_staged
from channels.types import DeliveryEvent
from notify import content, dispatch, early_receipts, lanes, receipt_rules, reported, signals
from notify.facts import Facts
from notify.models import DeliveryStatus, Route
from notify.outcomes import Rules, clean
from notify.receipt_rules import Meaning, Receipt
from notify.reported import Reported
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

_AT_MOST: Final = 1000
_WORKER: Final = "receipts"
#: What these two mean changes a delivery.
_MOVES: Final = (Meaning.DELIVERED, Meaning.FAILED)


@dataclass(frozen=True, slots=True)
class _Read:
    """A delivery, the receipt of it that counts, and what it means."""

    known: Reported
    receipt: Receipt
    meaning: Meaning


def take(*, provider: str, events: Sequence[DeliveryEvent], now: datetime) -> Counter[Meaning]:
    """Takes in what ``provider`` reports, and returns how many of the reports meant what. It is committed when this
    returns. Raises DatabaseError."""
    return _settle(provider, [Receipt(event=_storable(event), came_at=now) for event in events], now=now)


def _storable(event: DeliveryEvent) -> DeliveryEvent:
    """``event``, as PostgreSQL can hold it."""
    name, detail = clean(event.provider_message_id, 255), clean(event.detail)
    return replace(event, provider_message_id=name, detail=detail)


def settle_early(*, now: datetime) -> int:
    """Looks again at receipts that came before their messages were known; returns at how many."""
    if not early_receipts.any_due(now=now):
        return 0
    with transaction.atomic():
        waiting = early_receipts.take_due(limit=_AT_MOST, now=now)
        for provider in sorted(waiting):
            _settle(provider, waiting[provider], now=now, again=True)
    return sum(map(len, waiting.values()))


def _settle(provider: str, receipts: Sequence[Receipt], *, now: datetime, again: bool = False) -> Counter[Meaning]:
    with transaction.atomic():
        read, early = _read(provider, receipts, now)
        written = _write(provider, [one for one in read if one.meaning in _MOVES], now)
        unknown = early_receipts.keep(provider=provider, receipts=early, now=now)
        counts = Counter(one.meaning for one in read)
        counts[Meaning.DUPLICATE] += len(receipts) - len(read) - len(early)
        counts[Meaning.EARLY] += 0 if again else len(early) - unknown  # those were counted when they came
        counts[Meaning.UNKNOWN] += unknown
        counts = +counts
        transaction.on_commit(lambda: _tell(provider, counts, written))
    return counts


def _read(provider: str, receipts: Iterable[Receipt], now: datetime) -> tuple[list[_Read], list[Receipt]]:
    """What the receipts mean, one for each delivery; and those whose message is not known, or not settled, yet."""
    by_name: defaultdict[str, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        by_name[receipt.event.provider_message_id].append(receipt)
    found = reported.find(provider=provider, names=by_name, now=now)
    known: dict[UUID, Reported] = {}
    by_delivery: defaultdict[UUID, list[Receipt]] = defaultdict(list)
    early: list[Receipt] = []
    for name, theirs in by_name.items():
        if name in found:
            known[found[name].id] = found[name]
            by_delivery[found[name].id] += theirs
        else:
            early.append(receipt_rules.strongest(theirs))
    read = []
    for identifier in sorted(by_delivery):
        receipt = receipt_rules.strongest(by_delivery[identifier])
        meaning = receipt_rules.read(known[identifier], delivered=receipt.event.delivered)
        if meaning is Meaning.EARLY:
            early.append(receipt)
        else:
            read.append(_Read(known[identifier], receipt, meaning))
    return read, early


def _write(provider: str, read: Sequence[_Read], now: datetime) -> list[tuple[_Read, Outcome]]:
    """Moves deliveries on."""
    facts_of = _reader(read)
    rules_of = cache(lambda lane: dispatch.rules(lane=lane, worker=_WORKER))
    written = [(one, _outcome(provider, one, facts_of(one), rules_of, now)) for one in read]
    reported.write(outcomes=[outcome for _one, outcome in written], now=now)
    buried = [one.known.id for one in read if one.known.status == DeliveryStatus.DEAD]
    reported.close_letters(ids=buried, provider=provider, now=now)
    _call_off(provider, [one for one in read if one.known.status == DeliveryStatus.FAILED], facts_of, now)
    return written


def _call_off(
    provider: str, revived: Sequence[_Read], facts_of: Callable[[_Read], Facts | None], now: datetime
) -> None:
    """Another channel had taken over, and the person has it all the same: what it has not sent is not sent. With route
    *all* that is the one that stands in for this channel; the others are asked for beside it."""
    needless: list[UUID] = []
    beside: list[Claimed] = []
    for one in revived:
        facts = facts_of(one)
        if facts is not None and facts.route == Route.FIRST:
            needless.append(facts.id)
        elif facts is not None:
            beside.append(one.known.claimed)
    lanes.cancel(notification_ids=needless, actor=provider, now=now)
    lanes.cancel(delivery_ids=reported.stand_ins(of=beside), actor=provider, now=now)


def _reader(read: Sequence[_Read]) -> Callable[[_Read], Facts | None]:
    """The facts of those that need them: to go on by another channel, or to tell an application."""
    needing: dict[UUID, Claimed] = {
        one.known.id: one.known.claimed
        for one in read
        if one.known.tells or one.meaning is Meaning.FAILED or one.known.status == DeliveryStatus.FAILED
    }
    facts_of = content.reader(list(needing.values()))
    return lambda one: facts_of(one.known.claimed) if one.known.id in needing else None


def _outcome(
    provider: str, one: _Read, facts: Facts | None, rules_of: Callable[[str], Rules], now: datetime
) -> Outcome:
    if one.meaning is Meaning.DELIVERED:
        return receipt_rules.deliver(known=one.known, receipt=one.receipt, facts=facts, provider=provider, now=now)
    rules = rules_of(one.known.claimed.lane)
    return receipt_rules.fail(
        known=one.known, receipt=one.receipt, facts=facts, provider=provider, now=now, rules=rules
    )


def _tell(provider: str, counts: Counter[Meaning], written: Sequence[tuple[_Read, Outcome]]) -> None:
    """To the quality figures, to the rooms above, and to the log."""
    results = [_result(provider, one, outcome) for one, outcome in written]
    if results:
        signals.send_recorded(tries=(), results=results)
    for one, outcome in written:
        known, came_at = one.known, one.receipt.came_at
        counts_for = known.asked_last and (is_staged(provider) or not known.claimed.is_test)
        if known.status == DeliveryStatus.SENT and known.sent_at is not None and counts_for:
            delay_s = (came_at - known.sent_at).total_seconds()
            delivered = one.meaning is Meaning.DELIVERED
            quality.note_receipt(provider=provider, delay_s=delay_s, delivered=delivered, now=came_at)
        if one.meaning is Meaning.FAILED:
            words = {"delivery_id": str(known.id), "notification_id": str(known.claimed.notification_id)}
            about = {"lane": known.claimed.lane, "provider": provider, "error_code": outcome.error_code}
            logger.info("delivery failed", extra={**words, **about, "error_detail": outcome.error_detail})
    if counts[Meaning.UNKNOWN]:
        logger.warning(
            "receipts of messages that nobody knows", extra={"provider": provider, "count": counts[Meaning.UNKNOWN]}
        )
    signals.receipts.send(sender=None, provider=provider, counts={str(key): count for key, count in counts.items()})


def _result(provider: str, one: _Read, outcome: Outcome) -> signals.RecordedResult:
    claimed = one.known.claimed
    age_s = (one.receipt.came_at - claimed.created_at).total_seconds()
    return signals.RecordedResult(lane=claimed.lane, provider=provider, status=outcome.status, age_s=age_s)
