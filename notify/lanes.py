"""The lanes: ring, claim, record, sweep.

The hot SQL of the product (its longer texts are in ``notify/sql``), and with ``leases`` and ``reported`` the only
writer of ``Delivery.status``. No function holds a transaction while a provider is spoken to: a claim is a short
transaction that sets a lease, a recording is another.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from notify import claims, doorbell, leases, partitions, pulses, steps
from notify.ids import new_id, since_id
from notify.loading import Feeder, goes_in_one_trip, insert, insert_all
from notify.models.delivery import DeliveryStatus
from notify.models.event import EventType
from notify.rows import (
    AttemptRow,
    Claimed,
    DeadLetterRow,
    DeliveryRow,
    EventRow,
    NotificationRow,
    Outcome,
)
from notify.sql import statement

logger = logging.getLogger(__name__)

ring = doorbell.ring
claim = claims.claim
renew, release, release_lease = leases.renew, leases.release, leases.release_lease
due_lanes, feel_pulse, moved_within = pulses.due_lanes, pulses.feel_pulse, pulses.moved_within

_CANCEL_TURNS: Final = 3
_BEING_SENT: Final = "it is being sent, and will not be tried again"


# --- entering a lane -------------------------------------------------------------------------------------------------


def enter(
    *, notifications: Sequence[NotificationRow], deliveries: Sequence[DeliveryRow], feeder: Feeder | None = None
) -> None:
    """Stores notifications with their first deliveries, all or none. The caller rings after the commit. With ``feeder``
    they are on their way when this returns: the caller has a transaction, and leaves the feeder before it commits."""
    tables = (
        ("notify_notification", NotificationRow._fields, notifications),
        ("notify_delivery", DeliveryRow._fields, deliveries),
    )
    if feeder is not None:
        feeder.insert_all(*tables)
        return
    if goes_in_one_trip(*tables) and not connection.in_atomic_block:
        insert_all(*tables)  # which is a transaction of its own, and costs neither a BEGIN nor a COMMIT
        return
    with transaction.atomic(savepoint=False):
        insert_all(*tables)


# --- record ----------------------------------------------------------------------------------------------------------


def record(*, outcomes: Sequence[Outcome], lease: UUID, now: datetime) -> set[UUID]:
    """Writes what became of deliveries held under ``lease``, with their attempts, events, next steps, callbacks and
    dead letters, in one transaction. Returns the ids written: for the others the lease had passed to somebody else,
    and only their attempts are kept, since those did happen."""
    if not outcomes:
        return set()
    outcomes = sorted(outcomes, key=lambda outcome: outcome.id)  # rows are locked in the order that cancelling has too
    with transaction.atomic():
        written = _write_statuses(outcomes, lease, now)
        mine = [steps.heeding(outcome, cancelled=written[outcome.id]) for outcome in outcomes if outcome.id in written]
        before = _recorded_before([outcome for outcome in outcomes if outcome.id not in written])
        attempts = [row for outcome in outcomes if outcome.id not in before for row in outcome.attempts]
        born = [row for outcome in mine for row in (outcome.next_step, outcome.callback) if row is not None]
        insert_all(
            ("notify_attempt", AttemptRow._fields, attempts),
            ("notify_event", EventRow._fields, [row for outcome in mine for row in outcome.events]),
            ("notify_deadletter", DeadLetterRow._fields, [o.dead_letter for o in mine if o.dead_letter]),
            ("notify_delivery", DeliveryRow._fields, born),
        )
    lost = len(outcomes) - len(written) - len(before)
    if lost:
        logger.warning("lease lost before recording", extra={"count": lost})
    if born:
        lanes = sorted({row.lane for row in born})
        transaction.on_commit(lambda: ring(lanes))
    return {*written, *before}


def _recorded_before(outcomes: Sequence[Outcome]) -> set[UUID]:
    """Those of ``outcomes`` that are recorded already: the commit went through, and its answer was lost on the way."""
    attempts = {row.id: outcome.id for outcome in outcomes for row in outcome.attempts}
    if not attempts:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM notify_attempt WHERE id = ANY (%s) AND id >= %s AND id <= %s",
            [list(attempts), min(attempts), max(attempts)],
        )
        return {attempts[identifier] for (identifier,) in cursor.fetchall()}


def _write_statuses(outcomes: Sequence[Outcome], lease: UUID, now: datetime) -> dict[UUID, bool]:
    ids = [outcome.id for outcome in outcomes]
    parameters: dict[str, Any] = {
        "lease": lease,
        "now": now,
        "first": min(ids),
        "last": max(ids),
        "ids": ids,
        "statuses": [outcome.status for outcome in outcomes],
        "due_ats": [outcome.due_at for outcome in outcomes],
        "used": [outcome.used for outcome in outcomes],
        "waited": [outcome.waited for outcome in outcomes],
        "providers": [outcome.provider for outcome in outcomes],
        "provider_message_ids": [outcome.provider_message_id for outcome in outcomes],
        "error_codes": [outcome.error_code for outcome in outcomes],
        "error_details": [outcome.error_detail for outcome in outcomes],
        "sent_ats": [outcome.sent_at for outcome in outcomes],
        "delivered_ats": [outcome.delivered_at for outcome in outcomes],
        "finished_ats": [outcome.finished_at for outcome in outcomes],
        "receipt_untils": [outcome.receipt_until for outcome in outcomes],
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("record"), parameters)
        return dict(cursor.fetchall())


# --- sweep -----------------------------------------------------------------------------------------------------------


def take_expired_leases(*, lease: UUID, limit: int, now: datetime, grace_s: float) -> list[Claimed]:
    """Claims deliveries whose lease ran out, by the database's clock, to decide what is to become of them. None while
    the server has been up for less than ``grace_s`` seconds: workers need that long to renew theirs after a restart."""
    view = partitions.live_window(now=now)
    return claims.claimed_by(
        "expired_leases",
        {
            "lease": lease,
            "lease_s": settings.LANES["LEASE_S"],
            "limit": limit,
            "floor": view.floor,
            "ceiling": view.ceiling,
            "grace_s": grace_s,
        },
    )


class Place(NamedTuple):
    """How far one has looked through a lane."""

    application_id: int = 0
    due_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


_START: Final = Place()


def take_overdue(
    *, lane: str, lease: UUID, limit: int, now: datetime, place: Place = _START, read: int = 20_000
) -> tuple[list[Claimed], Place | None]:
    """Claims deliveries of ``lane`` whose deadline, or step's deadline, passed while they waited. Looks at no more than
    ``read`` rows, from ``place`` on; returns also where to go on, or None at the end of the lane."""
    view = partitions.live_window(now=now)
    parameters: dict[str, Any] = {
        **place._asdict(),
        "lane": lane,
        "now": now,
        "limit": limit,
        "read": read,
        "floor": view.floor,
        "ceiling": view.ceiling,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("overdue"), parameters)
        ids, seen, *last = cursor.fetchone()
    if len(ids) >= limit:
        following: Place | None = place
    elif seen < read:
        following = None
    elif Place(*last) == place:  # a batch is due at one moment, and at an end at one moment too: go past it
        following = place._replace(due_at=place.due_at + timedelta(microseconds=1))
    else:
        following = Place(*last)
    if not ids:
        return [], following
    ends = {"first": min(ids), "last": max(ids)}
    return claims.claimed_by(
        "take", {"ids": ids, "lease": lease, "lease_s": settings.LANES["LEASE_S"], "now": now, **ends}
    ), following


# --- people ----------------------------------------------------------------------------------------------------------


def cancel(
    *,
    now: datetime,
    actor: str,
    notification_ids: Sequence[UUID] = (),
    delivery_ids: Sequence[UUID] = (),
    batch_id: UUID | None = None,
) -> int:
    """Cancels what of these notifications, of these messages' deliveries, or of this batch, is not yet handed over, and
    keeps what is being sent from being tried again; returns how many deliveries that concerns."""
    earliest = min((*notification_ids, *delivery_ids), default=batch_id)
    if earliest is None:
        return 0
    parameters: dict[str, Any] = {
        "now": now,
        "notification_ids": list(notification_ids),
        "delivery_ids": list(delivery_ids),
        "batch_id": batch_id,
        "first": since_id(earliest),
    }
    found: list[tuple[UUID, UUID, str, str]] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for turn in range(_CANCEL_TURNS):
            cursor.execute(statement("cancel"), parameters)
            rows = cursor.fetchall()
            found += rows
            if turn and not rows:  # the first may have waited for one whose end has born the next step meanwhile
                break
        events = [
            EventRow(
                new_id(),
                notification_id,
                delivery_id,
                EventType.CANCELLED,
                channel=channel,
                actor=actor,
                reason=_BEING_SENT if status == DeliveryStatus.SENDING else "",
            )
            for delivery_id, notification_id, channel, status in found
        ]
        insert("notify_event", EventRow._fields, events)
    return len(found)


def requeue(*, ids: Sequence[UUID], from_statuses: Sequence[str], deadline: datetime, now: datetime) -> set[UUID]:
    """Brings deliveries in one of ``from_statuses`` back to their lanes; returns those that were."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            statement("requeue"),
            {
                "ids": list(ids),
                "first": min(ids),
                "last": max(ids),
                "from_statuses": list(from_statuses),
                "deadline": deadline,
                "now": now,
            },
        )
        rows = cursor.fetchall()
    partitions.forget_live_window()
    lanes = sorted({lane for _id, lane in rows})
    transaction.on_commit(lambda: ring(lanes))
    return {identifier for identifier, _lane in rows}
