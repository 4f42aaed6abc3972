"""The lanes: ring, claim, record, sweep.

The hot SQL of the product (its longer texts are in ``notify/sql``), and the only writer of ``Delivery.status``. No
function holds a transaction while a provider is spoken to: a claim is a short transaction that sets a lease, a
recording is another.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from notify import doorbell, partitions
from notify.ids import new_id
from notify.loading import insert
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

_CLAIMED: Final = ", ".join(f"d.{field.name}" for field in fields(Claimed))


# --- entering a lane -------------------------------------------------------------------------------------------------


def enter(*, notifications: Sequence[NotificationRow], deliveries: Sequence[DeliveryRow]) -> None:
    """Stores notifications with their first deliveries, all or none. The caller rings after the commit."""
    with transaction.atomic():
        insert("notify_notification", NotificationRow._fields, notifications)
        insert("notify_delivery", DeliveryRow._fields, deliveries)


# --- claim -----------------------------------------------------------------------------------------------------------


def claim(*, lane: str, limit: int, lease: UUID, now: datetime) -> list[Claimed]:
    """Takes up to about ``limit`` due deliveries of ``lane`` under ``lease``, a share from each waiting application."""
    view = partitions.live_window(now=now)
    shares = settings.LANES["SHARES"]
    return _claimed(
        "claim",
        {
            "lane": lane,
            "limit": limit,
            "lease": lease,
            "lease_until": now + timedelta(seconds=settings.LANES["LEASE_S"]),
            "now": now,
            "floor": view.floor,
            "ceiling": view.ceiling,
            "vip_share": shares["vip"],
            "standard_share": shares["standard"],
        },
    )


def _claimed(name: str, parameters: dict[str, Any]) -> list[Claimed]:
    with connection.cursor() as cursor:
        cursor.execute(f"{statement(name)} RETURNING {_CLAIMED}", parameters)
        return [Claimed(*row) for row in cursor.fetchall()]


def renew(*, ids: Sequence[UUID], lease: UUID, now: datetime) -> int:
    """Keeps the lease on ``ids`` for another term; returns how many are still held."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notify_delivery SET lease_until = %s"
            " WHERE id = ANY (%s) AND id >= %s AND id <= %s AND status = 'sending' AND lease = %s",
            [now + timedelta(seconds=settings.LANES["LEASE_S"]), list(ids), min(ids), max(ids), lease],
        )
        return int(cursor.rowcount)


def release(*, ids: Sequence[UUID], lease: UUID, now: datetime) -> int:
    """Gives back deliveries that were claimed and not handed over: they are due again at once, nothing counted."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notify_delivery SET lease = NULL, lease_until = NULL,"
            " status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,"
            " finished_at = CASE WHEN cancel_requested THEN %s END"
            " WHERE id = ANY (%s) AND id >= %s AND id <= %s AND status = 'sending' AND lease = %s",
            [now, list(ids), min(ids), max(ids), lease],
        )
        return int(cursor.rowcount)


# --- record ----------------------------------------------------------------------------------------------------------


def record(*, outcomes: Sequence[Outcome], lease: UUID, now: datetime) -> set[UUID]:
    """Writes what became of deliveries held under ``lease``, with their attempts, events, next steps, callbacks and
    dead letters, in one transaction. Returns the ids written: for the others the lease had passed to somebody else,
    and only their attempts are kept, since those did happen."""
    if not outcomes:
        return set()
    with transaction.atomic():
        written = _write_statuses(outcomes, lease, now)
        mine = [_heeding(outcome, cancelled=written[outcome.id]) for outcome in outcomes if outcome.id in written]
        insert("notify_attempt", AttemptRow._fields, [row for outcome in outcomes for row in outcome.attempts])
        insert("notify_event", EventRow._fields, [row for outcome in mine for row in outcome.events])
        insert("notify_deadletter", DeadLetterRow._fields, [o.dead_letter for o in mine if o.dead_letter])
        born = [row for outcome in mine for row in (outcome.next_step, outcome.callback) if row is not None]
        insert("notify_delivery", DeliveryRow._fields, born)
    if len(written) < len(outcomes):
        logger.warning("lease lost before recording", extra={"count": len(outcomes) - len(written)})
    if born:
        lanes = sorted({row.lane for row in born})
        transaction.on_commit(lambda: ring(lanes))
    return set(written)


def _heeding(outcome: Outcome, *, cancelled: bool) -> Outcome:
    """``outcome``; where it was cancelled meanwhile, without another channel that takes over."""
    return replace(outcome, next_step=None) if cancelled else outcome


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
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("record"), parameters)
        return dict(cursor.fetchall())


# --- sweep -----------------------------------------------------------------------------------------------------------


def take_expired_leases(*, lease: UUID, limit: int, now: datetime, grace_s: float) -> list[Claimed]:
    """Claims deliveries whose lease ran out, to decide what is to become of them. None while the database server has
    been up for less than ``grace_s`` seconds: workers need that long to renew theirs after a restart."""
    view = partitions.live_window(now=now)
    lease_s = settings.LANES["LEASE_S"]
    return _claimed(
        "expired_leases",
        {
            "lease": lease,
            "lease_until": now + timedelta(seconds=lease_s),
            "now": now,
            "limit": limit,
            "floor": view.floor,
            "ceiling": view.ceiling,
            "grace_s": grace_s,
        },
    )


def take_overdue(*, lane: str, lease: UUID, limit: int, now: datetime) -> list[Claimed]:
    """Claims deliveries of ``lane`` whose deadline, or step's deadline, passed while they waited."""
    view = partitions.live_window(now=now)
    return _claimed(
        "overdue",
        {
            "lane": lane,
            "lease": lease,
            "lease_until": now + timedelta(seconds=settings.LANES["LEASE_S"]),
            "now": now,
            "limit": limit,
            "floor": view.floor,
            "ceiling": view.ceiling,
        },
    )


class DueLane(NamedTuple):
    """A lane with work that is due, since when, and when it was last seen moving."""

    lane: str
    due_at: datetime
    seen_at: datetime | None


def due_lanes(*, now: datetime) -> list[DueLane]:
    """The lanes with due work, the one that waits longest first."""
    view = partitions.live_window(now=now)
    with connection.cursor() as cursor:
        cursor.execute(statement("due_lanes"), {"now": now, "floor": view.floor, "ceiling": view.ceiling})
        return [DueLane(*row) for row in cursor.fetchall()]


def feel_pulse(*, lane: str, worker: str, now: datetime) -> None:
    """Notes that ``lane`` is moving."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notify_lanepulse (lane, seen_at, worker) VALUES (%s, %s, %s)"
            " ON CONFLICT (lane) DO UPDATE SET seen_at = excluded.seen_at, worker = excluded.worker"
            " WHERE notify_lanepulse.seen_at < excluded.seen_at",
            [lane, now, worker[:64]],
        )


def moved_since(*, lane: str, at: datetime) -> bool:
    """Whether ``lane`` was seen moving after ``at``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM notify_lanepulse WHERE lane = %s AND seen_at > %s)", [lane, at])
        return bool(cursor.fetchone()[0])


# --- people ----------------------------------------------------------------------------------------------------------


def cancel(*, now: datetime, actor: str, notification_ids: Sequence[UUID] = (), batch_id: UUID | None = None) -> int:
    """Cancels what of these notifications, or of this batch, is not yet handed over, and keeps what is being sent from
    being tried again; returns how many deliveries that concerns."""
    first = min(notification_ids, default=batch_id)
    if first is None:
        return 0
    parameters: dict[str, Any] = {
        "now": now,
        "notification_ids": list(notification_ids),
        "batch_id": batch_id,
        "first": first,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement("cancel"), parameters)
            cancelled = cursor.fetchall()
            cursor.execute(statement("cancel_sending"), parameters)
            asked = cursor.fetchall()
        events = [
            EventRow(
                new_id(), notification_id, delivery_id, EventType.CANCELLED, channel=channel, actor=actor, reason=reason
            )
            for rows, reason in ((cancelled, ""), (asked, "it is being sent, and will not be tried again"))
            for delivery_id, notification_id, channel in rows
        ]
        insert("notify_event", EventRow._fields, events)
    return len(cancelled) + len(asked)


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
