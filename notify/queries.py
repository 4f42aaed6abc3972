"""What is read: how deep the lanes are, notifications and what became of them, and batches.

Ids carry their time, so every query here says which times it is about, and PostgreSQL leaves the other days'
partitions alone. No query's cost grows with how much an application has sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, Exists, Model, OuterRef, Q, QuerySet

from notify.depths import LaneDepth as LaneDepth
from notify.depths import lane_depths as lane_depths
from notify.errors import NotFound
from notify.ids import CLOCK_MARGIN, floor_id, moved_id, since_id
from notify.models import (
    Application,
    Attempt,
    Batch,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Event,
    Notification,
    Route,
)

#: How many notifications a page may look at while it searches for those with a delivery in some state.
WINDOW: Final = 5_000
#: A batch is accepted in one transaction, so its notifications are this close to it.
_BATCH_SPAN: Final = timedelta(days=1)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in order, newest first, and the id to go on before; None at the end. A page may be short of rows, or empty,
    and still have a next one: the search goes on there."""

    rows: list[Row]
    next_before: UUID | None


def edge_of(rows: QuerySet[Row]) -> UUID | None:
    """The id of the first of ``rows``, newest first, that a search does not look at any more; None: there is none."""
    return rows.values_list("id", flat=True)[WINDOW : WINDOW + 1].first()


def page(rows: QuerySet[Row], *, limit: int, edge: UUID | None = None) -> Page[Row]:
    """The first ``limit`` of ``rows``, newest first, as far as ``edge``."""
    found = list((rows if edge is None else rows.filter(id__gt=edge))[: limit + 1])
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].pk)
    # The edge itself was not looked at: the next page begins with it.
    return Page(found, None if edge is None else UUID(int=edge.int + 1))


# --- the state of a notification --------------------------------------------------------------------------------------


class HasStatus(Protocol):
    """Anything with a delivery's status."""

    @property
    def status(self) -> str: ...


#: What a notification's state is taken from: first what is under way, then the best of what has ended.
_PRECEDENCE: Final = (
    DeliveryStatus.SENDING,
    DeliveryStatus.QUEUED,
    DeliveryStatus.SCHEDULED,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.SENT,
    DeliveryStatus.HELD,
    DeliveryStatus.DEAD,
    DeliveryStatus.FAILED,
    DeliveryStatus.EXPIRED,
    DeliveryStatus.SUPPRESSED,
    DeliveryStatus.CANCELLED,
)


def notification_status(deliveries: Iterable[HasStatus]) -> str:
    """The state of a notification: what it is waiting for while any delivery is in flight, else the best that was
    achieved. One without a delivery can't have reached anybody: ``failed``."""
    present = {delivery.status for delivery in deliveries}
    return next((str(status) for status in _PRECEDENCE if status in present), str(DeliveryStatus.FAILED))


# --- notifications ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """Which notifications are meant. ``status`` and ``channel`` together mean one delivery with both."""

    status: str | None = None
    channel: str | None = None
    batch_id: UUID | None = None
    template: str | None = None
    ref: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_test: bool | None = None

    @property
    def searches(self) -> bool:
        """Whether no index leads to them, so that others must be looked at and passed over."""
        return any((self.status, self.channel, self.template, self.is_test is not None))


def _shown() -> QuerySet[Notification]:
    """Notifications with what is shown of them, and without what never is."""
    return Notification.objects.select_related("batch", "template_version__template").defer(
        "to",
        "params",
        "content",
        "batch__content",
        "batch__params",
        "template_version__contents",
        "template_version__variables",
    )


def created_between(after: datetime | None, before: datetime | None) -> Q:
    """``created_at`` in [after, before), with the range of ids that this leaves."""
    condition = Q()
    if after is not None:
        condition &= Q(created_at__gte=after, id__gte=floor_id(after - CLOCK_MARGIN))
    if before is not None:
        condition &= Q(created_at__lt=before, id__lt=floor_id(before + CLOCK_MARGIN))
    return condition


def find_notification(
    *, application: Application, notification_id: str | UUID, is_test: bool | None = None
) -> Notification:
    """The notification of ``application`` with this id. Raises NotFound, whether it is another's, unknown or no id, or
    not ``is_test``, where that is given."""
    rows = _shown().filter(application=application)
    return _find(rows if is_test is None else rows.filter(is_test=is_test), notification_id, "notification")


def _find(rows: QuerySet[Row], identifier: str | UUID, noun: str) -> Row:
    try:
        wanted = identifier if isinstance(identifier, UUID) else UUID(identifier)
        return rows.get(pk=wanted)
    except (ValueError, ObjectDoesNotExist):
        raise NotFound(f"There is no {noun} with this id.") from None


def list_notifications(
    *, application: Application, where: NotificationFilter, before: UUID | None, limit: int
) -> Page[Notification]:
    """A page of the notifications of ``application``, newest first, with ids smaller than ``before``. Where no index
    leads to them, at most WINDOW are looked at. At most two queries."""
    candidates = _candidates(application, where, before)
    if not where.searches:
        return page(candidates, limit=limit)
    return page(_search(candidates, where), limit=limit, edge=edge_of(candidates))


def _candidates(application: Application, where: NotificationFilter, before: UUID | None) -> QuerySet[Notification]:
    rows = _shown().filter(created_between(where.created_after, where.created_before), application=application)
    if before is not None:
        rows = rows.filter(id__lt=before)
    if where.batch_id is not None:
        rows = rows.filter(
            batch_id=where.batch_id, id__gte=since_id(where.batch_id), id__lt=moved_id(where.batch_id, by=_BATCH_SPAN)
        )
    if where.ref is not None:
        rows = rows.filter(Q(ref=where.ref) & ~Q(ref=""))
    return rows.order_by("-id")


def _search(rows: QuerySet[Notification], where: NotificationFilter) -> QuerySet[Notification]:
    if where.is_test is not None:
        rows = rows.filter(is_test=where.is_test)
    if where.template is not None:
        rows = rows.filter(template_version__template__key=where.template)
    if where.status is None and where.channel is None:
        return rows
    deliveries = Delivery.objects.filter(
        notification_id=OuterRef("id"), id__gte=OuterRef("id"), kind=DeliveryKind.MESSAGE
    )
    if where.status is not None:
        deliveries = deliveries.filter(status=where.status)
    if where.channel is not None:
        deliveries = deliveries.filter(channel=where.channel)
    return rows.filter(Exists(deliveries))


def deliveries_of(notifications: Sequence[Notification]) -> dict[UUID, list[Delivery]]:
    """The deliveries of each of ``notifications``, status callbacks aside, in the order of their steps. One query."""
    found: dict[UUID, list[Delivery]] = {notification.id: [] for notification in notifications}
    if not found:
        return found
    rows = Delivery.objects.filter(
        notification_id__in=list(found), id__gte=since_id(min(found)), kind=DeliveryKind.MESSAGE
    ).defer("payload")
    for delivery in rows.order_by("step", "id"):
        found[delivery.notification_id].append(delivery)
    return found


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is stored about what happened to one notification; ``deliveries`` with the status callbacks."""

    deliveries: list[Delivery]
    attempts: list[Attempt]
    events: list[Event]


def history(notification: Notification) -> History:
    """What happened to ``notification``: three queries."""
    about = Q(notification_id=notification.id, id__gte=since_id(notification.id))
    return History(
        deliveries=list(Delivery.objects.filter(about).defer("payload").order_by("step", "id")),
        attempts=list(Attempt.objects.filter(about).order_by("id")),
        events=list(Event.objects.filter(about).order_by("id")),
    )


# --- batches ----------------------------------------------------------------------------------------------------------


def find_batch(*, application: Application, batch_id: str | UUID) -> Batch:
    """The batch of ``application`` with this id. Raises NotFound, whether it is another's, unknown or no id."""
    return _find(Batch.objects.filter(application=application).defer("content", "params"), batch_id, "batch")


def is_test_batch(batch: Batch) -> bool:
    """Whether a test key sent it: what is true of one of its notifications is true of all."""
    rows = Notification.objects.filter(
        batch_id=batch.id, id__gte=since_id(batch.id), id__lt=moved_id(batch.id, by=_BATCH_SPAN)
    )
    return any(rows.values_list("is_test", flat=True)[:1])


def batch_counts(batch: Batch) -> dict[str, int]:
    """How many of the batch's deliveries are in each state, every state present. Reads the batch, at most."""
    rows = Delivery.objects.filter(batch_id=batch.id, id__gte=since_id(batch.id), kind=DeliveryKind.MESSAGE)
    counted = dict(rows.values_list("status").annotate(number=Count("id")).order_by())
    return {str(status): counted.get(status, 0) for status in DeliveryStatus}


def batch_awaited(batch: Batch, *, now: datetime) -> int:
    """Of how many of the batch's deliveries a receipt is awaited: they were sent, and their provider will report."""
    rows = Delivery.objects.filter(batch_id=batch.id, id__gte=since_id(batch.id), kind=DeliveryKind.MESSAGE)
    return rows.filter(status=DeliveryStatus.SENT, receipt_until__gt=now).count()


def batch_rescued(batch: Batch) -> int:
    """How many of the batch's failed deliveries were followed by another channel's: no failures yet."""
    rows = Delivery.objects.filter(batch_id=batch.id, id__gte=since_id(batch.id), kind=DeliveryKind.MESSAGE)
    later = rows.filter(notification_id=OuterRef("notification_id"), step__gt=OuterRef("step"))
    first = Notification.objects.filter(id=OuterRef("notification_id"), route=Route.FIRST)
    taken_over = Q(error_code="switched") | Q(Exists(first), Exists(later))
    return rows.filter(taken_over, status=DeliveryStatus.FAILED).count()
