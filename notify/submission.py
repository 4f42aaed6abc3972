"""Accepting: an authenticated request becomes validated, stored deliveries, and the doorbell rings after the commit.

What is returned from here is committed, or will be when the caller's transaction is. Nothing is stored of a request
that has a fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import transaction

from notify import lanes, quota, saturation, signals
from notify.errors import FieldError, InvalidRequest
from notify.ids import new_id
from notify.loading import Feeder
from notify.models import ApiKey, Batch, DeliveryStatus
from notify.orders import Order, Recipient
from notify.preparation import Prepared, personalise, prepare
from notify.quota import LimitState
from notify.rows import DeliveryRow, NotificationRow

#: Recipients that are in memory at one time, as rows, however many a request brings.
_PORTION: Final = 2000
#: How many faulty recipients a refusal names. More would not help anybody, and has to fit into an answer.
_MAX_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """One notification with its first deliveries."""

    notification: NotificationRow
    deliveries: Sequence[DeliveryRow]
    limits: LimitState


@dataclass(slots=True)
class AcceptedBatch:
    """A batch; ``rejected`` holds the index of each recipient that was left out, and why."""

    id: UUID
    accepted: int = 0
    rejected: list[tuple[int, list[FieldError]]] = field(default_factory=list)
    limits: LimitState = field(default_factory=LimitState)


def accept(*, key: ApiKey, order: Order, recipient: Recipient, request_id: str, now: datetime) -> Accepted:
    """Accepts one notification. Raises InvalidRequest with the path of every fault, LaneSaturated, RateLimited or
    QuotaExceeded."""
    saturation.admit(order, now=now)
    prepared = prepare(key=key, order=order, now=now, request_id=request_id)
    found = personalise(prepared, recipient, batch_id=None)
    if isinstance(found, list):
        raise InvalidRequest("The request has faults; see errors.", errors=found)
    notification, deliveries = found
    limits = quota.charge(application=key.application, cost=1, now=now)
    _announce(prepared, key, _enter([notification], deliveries))
    return Accepted(notification, deliveries, limits)


def accept_batch(
    *,
    key: ApiKey,
    order: Order,
    recipients: Iterable[Recipient | list[FieldError]],
    on_invalid: str,
    request_id: str,
    now: datetime,
    label: Callable[[int], str],
) -> AcceptedBatch:
    """Accepts a notification for each of ``recipients``, in one transaction; they are read as they come, and faults
    found while reading stand in their place. ``label`` names a recipient by its index in the paths of faults.

    With ``on_invalid`` *reject* one fault refuses all of it (InvalidRequest); with *skip* faulty recipients are left
    out and reported. Raises LaneSaturated, RateLimited or QuotaExceeded for the batch as a whole; the first before any
    recipient is read.
    """
    saturation.admit(order, now=now)
    prepared = prepare(key=key, order=order, now=now, request_id=request_id, in_batch=True)
    batch = AcceptedBatch(id=new_id())
    lane_counts: Counter[str] = Counter()
    faults: list[FieldError] = []
    entries = enumerate(recipients)
    with transaction.atomic():
        with Feeder() as feeder:
            while portion := list(islice(entries, _PORTION)):
                notifications, deliveries, found = _personalise_all(prepared, portion, batch, label)
                faults += found
                if faults and on_invalid == "reject":
                    # Read on without storing, to name more than the first fault; nothing written so far will stand.
                    faults += _remaining_faults(prepared, entries, batch.id, label, room=_MAX_ERRORS - len(faults))
                    raise InvalidRequest("The batch has faults; see errors.", errors=faults[:_MAX_ERRORS])
                lane_counts += _enter(notifications, deliveries, feeder)
                batch.accepted += len(notifications)
        if not batch.accepted:
            raise InvalidRequest("No recipient is left to send to.", errors=faults[:_MAX_ERRORS])
        # Last, so that a batch which is refused for a fault costs nothing.
        batch.limits = quota.charge(application=key.application, cost=batch.accepted, now=now)
        _store_batch(batch, prepared, key, now)
        _announce(prepared, key, lane_counts)
    return batch


def _personalise_all(
    prepared: Prepared,
    portion: Sequence[tuple[int, Recipient | list[FieldError]]],
    batch: AcceptedBatch,
    label: Callable[[int], str],
) -> tuple[list[NotificationRow], list[DeliveryRow], list[FieldError]]:
    """The rows for a portion of a batch's recipients, and what is wrong with the others, noted as rejected."""
    notifications: list[NotificationRow] = []
    deliveries: list[DeliveryRow] = []
    faults: list[FieldError] = []
    for index, entry in portion:
        found = entry if isinstance(entry, list) else personalise(prepared, entry, batch_id=batch.id)
        if isinstance(found, list):
            batch.rejected.append((index, found))
            faults += _labelled(found, label(index))
        else:
            notifications.append(found[0])
            deliveries += found[1]
    return notifications, deliveries, faults


def _enter(
    notifications: Sequence[NotificationRow], deliveries: Sequence[DeliveryRow], feeder: Feeder | None = None
) -> Counter[str]:
    """Stores them, and says how many went into each lane."""
    lanes.enter(notifications=notifications, deliveries=deliveries, feeder=feeder)
    return Counter(row.lane for row in deliveries)


def _labelled(faults: Iterable[FieldError], prefix: str) -> Iterator[FieldError]:
    for fault in faults:
        yield FieldError(f"{prefix}.{fault.path}" if fault.path else prefix, fault.code, fault.detail)


def _remaining_faults(
    prepared: Prepared,
    entries: Iterator[tuple[int, Recipient | list[FieldError]]],
    batch_id: UUID,
    label: Callable[[int], str],
    room: int,
) -> list[FieldError]:
    found: list[FieldError] = []
    for index, entry in entries:
        if len(found) >= room:
            break
        verdict = entry if isinstance(entry, list) else personalise(prepared, entry, batch_id=batch_id)
        if isinstance(verdict, list):
            found += _labelled(verdict, label(index))
    return found


def _store_batch(batch: AcceptedBatch, prepared: Prepared, key: ApiKey, now: datetime) -> None:
    order = prepared.order
    Batch.objects.create(
        id=batch.id,
        application=key.application,
        content=dict(order.content) if order.content is not None else None,
        params=dict(order.params),
        metadata=dict(order.metadata),
        accepted=batch.accepted,
        rejected=len(batch.rejected),
        created_at=now,
    )


def _announce(prepared: Prepared, key: ApiKey, lane_counts: Counter[str]) -> None:
    name = key.application.name

    def after_commit() -> None:
        # Not before: what is refused after all would fill the lane for everybody else.
        if prepared.status is DeliveryStatus.QUEUED:
            saturation.note(lane_counts)
        lanes.ring(lane_counts)
        signals.send_accepted(application=name, lanes=lane_counts)

    transaction.on_commit(after_commit)
