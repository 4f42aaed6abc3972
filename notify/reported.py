"""Deliveries that providers report on: found by what the provider calls them, and moved on. With ``lanes`` and
``leases`` the only writer of ``Delivery.status``.

The rows are locked while they are decided on, in the order of their ids, so that the same receipt, come twice at once,
counts once. Before them their open dead letters are, as a replay does it too (``notify.dead_letters``): of a replay and
a receipt that come at once one waits for the other, and sees then what it has done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from notify import doorbell
from notify.ids import CLOCK_MARGIN, floor_id, since_id
from notify.loading import insert_all
from notify.models.dead_letter import DeadLetter, DeadLetterState
from notify.models.delivery import IN_FLIGHT
from notify.rows import Claimed, DeliveryRow, EventRow, Outcome
from notify.sql import statement

_CLAIMED: Final = tuple(field.name for field in fields(Claimed))
_OWN: Final = ", ".join(f"d.{name}" for name in _CLAIMED)
_REST: Final = ("status", "error_code", "sent_at", "asked_last", "is_cancelled", "tells")
_UUID7: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A delivery as it stands when a receipt of it comes. ``asked_last``: nobody else was asked after who reports;
    ``is_cancelled``: while it was being sent, so it was sent."""

    claimed: Claimed
    status: str
    error_code: str
    sent_at: datetime | None
    asked_last: bool
    is_cancelled: bool
    tells: bool

    @property
    def id(self) -> UUID:
        """The delivery's."""
        return self.claimed.id


def find(*, provider: str, names: Iterable[str], now: datetime) -> dict[str, Reported]:
    """Deliveries that ``provider`` was asked to send, by what it calls them, which may be what we call them: then it
    may be one that it never answered, and that another provider was asked for since. Locked, so in a transaction. Looks
    no further back than receipts count. Three queries, by index, the deliveries' in each day's partition."""
    wanted = set(names)
    floor = floor_id(now - timedelta(seconds=settings.LANES["RECEIPT_WINDOW_S"]))
    ids = {name: identifier for name in wanted if (identifier := _own_id(name, floor, now)) is not None}
    ids |= _by_providers_ids(provider, wanted, floor)
    if not ids:
        return {}
    _lock_letters(set(ids.values()))
    known = _lock(provider, set(ids.values()))
    return {name: known[identifier] for name, identifier in ids.items() if identifier in known}


def _own_id(name: str, floor: UUID, now: datetime) -> UUID | None:
    """The delivery's id, where the provider goes by that."""
    try:
        identifier = UUID(name)
    except ValueError:
        return None
    in_time = floor <= identifier < floor_id(now + CLOCK_MARGIN)
    return identifier if identifier.version == _UUID7 and in_time else None


def _by_providers_ids(provider: str, names: set[str], floor: UUID) -> dict[str, UUID]:
    """Of several that it calls the same, the newest."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.provider_message_id, d.id FROM notify_delivery d WHERE d.provider_message_id = ANY (%s)"
            " AND d.receipt_until IS NOT NULL AND d.provider = %s AND d.id >= %s ORDER BY d.id",
            [list(names), provider, floor],
        )
        return dict(cursor.fetchall())


def _open_letters(ids: Iterable[UUID]) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(delivery_id__in=list(ids), state=DeadLetterState.OPEN)


def _lock_letters(ids: set[UUID]) -> None:
    list(_open_letters(ids).select_for_update().order_by("id").values_list("id"))


def _lock(provider: str, ids: set[UUID]) -> dict[UUID, Reported]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_OWN}, d.status, d.error_code, d.sent_at, d.provider = %(provider)s, d.cancel_requested,"  # noqa: S608
            " EXISTS (SELECT 1 FROM notify_notification n WHERE n.id = d.notification_id AND n.callback_url <> '')"
            " FROM notify_delivery d"
            " WHERE d.id = ANY (%(ids)s) AND d.id >= %(first)s AND d.id <= %(last)s AND d.kind = 0"
            " AND (d.provider = %(provider)s OR EXISTS (SELECT 1 FROM notify_attempt a"
            " WHERE a.notification_id = d.notification_id AND a.delivery_id = d.id AND a.provider = %(provider)s"
            " AND a.id >= %(since)s))"
            " ORDER BY d.id FOR UPDATE OF d",
            {
                "provider": provider,
                "ids": list(ids),
                "first": min(ids),
                "last": max(ids),
                "since": since_id(min(ids)),
            },
        )
        return {row[0]: _reported(row) for row in cursor.fetchall()}


def _reported(row: Sequence[object]) -> Reported:
    own = len(_CLAIMED)
    rest = dict(zip(_REST, row[own:], strict=True))
    return Reported(claimed=Claimed(*row[:own]), **rest)  # type: ignore[arg-type]


def write(*, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Writes what became of deliveries that ``find`` has locked, with events, next steps and callbacks; rings for what
    is to be sent next, after the commit."""
    if not outcomes:
        return
    ids = [outcome.id for outcome in outcomes]
    with connection.cursor() as cursor:
        cursor.execute(
            statement("reported"),
            {
                "now": now,
                "first": min(ids),
                "last": max(ids),
                "ids": ids,
                "statuses": [outcome.status for outcome in outcomes],
                "providers": [outcome.provider for outcome in outcomes],
                "error_codes": [outcome.error_code for outcome in outcomes],
                "error_details": [outcome.error_detail for outcome in outcomes],
                "delivered_ats": [outcome.delivered_at for outcome in outcomes],
            },
        )
    born = [row for outcome in outcomes for row in (outcome.next_step, outcome.callback) if row is not None]
    insert_all(
        ("notify_event", EventRow._fields, [row for outcome in outcomes for row in outcome.events]),
        ("notify_delivery", DeliveryRow._fields, born),
    )
    lanes = sorted({row.lane for row in born})
    if lanes:
        transaction.on_commit(lambda: doorbell.ring(lanes))


def stand_ins(*, of: Sequence[Claimed]) -> list[UUID]:
    """What is on its way on other channels in the place of these, each of a notification with route *all*: there each
    channel has a step of its own, and what stands in for it has that step too (``notify.switching``)."""
    if not of:
        return []
    notifications = [one.notification_id for one in of]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.id FROM notify_delivery d"
            " JOIN unnest(%s::uuid[], %s::smallint[]) AS v (notification_id, step)"
            " ON d.notification_id = v.notification_id AND d.step = v.step"
            " WHERE d.notification_id = ANY (%s) AND d.id >= %s AND d.kind = 0 AND d.status = ANY (%s)",
            [
                notifications,
                [one.step for one in of],
                notifications,
                since_id(min(notifications)),
                [str(status) for status in IN_FLIGHT],
            ],
        )
        return [identifier for (identifier,) in cursor.fetchall()]


def close_letters(*, ids: Sequence[UUID], provider: str, now: datetime) -> None:
    """Closes the open dead letters of deliveries that ``provider`` reports as delivered, so that nobody has them sent
    again. Those that a person has closed stay as they are."""
    if ids:
        _open_letters(ids).update(state=DeadLetterState.DELIVERED, resolved_at=now, resolved_by=provider)
