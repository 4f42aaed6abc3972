"""Notifications as they are read: one, a list, the timeline; and cancelling what is not yet handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field, StringConstraints
from rest_framework.request import Request
from rest_framework.response import Response

from channels.acting import Actor
from notify import lanes, queries, timeline
from notify.api import examples, presentation
from notify.api.authentication import client_address
from notify.api.base import ApiView
from notify.api.describing import IDEMPOTENCY_KEY, answers, identifier
from notify.api.idempotency import IdempotentPost
from notify.api.inputs import ChannelName
from notify.api.paging import CreatedQuery, page, parameters
from notify.api.shapes import NotificationPage, NotificationShape, TimelineShape
from notify.api.validation import Input
from notify.errors import Conflict
from notify.models import DeliveryStatus, Notification

#: Text that PostgreSQL can hold: it has no NUL.
Text = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]


class NotificationQuery(CreatedQuery):
    """What the list of notifications takes."""

    status: DeliveryStatus | None = Field(default=None, description="Those with a delivery in this state.")
    channel: ChannelName | None = Field(default=None, description="Those with a delivery on this channel.")
    batch_id: UUID | None = Field(default=None, description="Those of this batch.")
    template: Text | None = Field(default=None, description="Those sent with this template, whichever version.")
    ref: Text | None = Field(default=None, description="Those with this reference of yours.")

    def where(self, *, is_test: bool | None) -> queries.NotificationFilter:
        """The filter that it asks for, from a key that sees ``is_test``."""
        return queries.NotificationFilter(**self.model_dump(exclude={"limit", "cursor"}), is_test=is_test)


class Nothing(Input):
    """A body without fields: empty, or ``{}``."""


def present(rows: Sequence[Notification]) -> list[dict[str, Any]]:
    """Notifications with their deliveries, as they are answered. One query."""
    deliveries = queries.deliveries_of(rows)
    return [presentation.notification(row, deliveries[row.id]) for row in rows]


def find_notification(view: ApiView, notification_id: str) -> Notification:
    """The notification with this id among those that the key sees. Raises NotFound."""
    return queries.find_notification(application=view.application, notification_id=notification_id, is_test=view.seen)


list_schema: Final = extend_schema(
    operation_id="list_notifications",
    summary="List notifications",
    description="The application's notifications, newest first. `status` and `channel` together mean one delivery "
    "with both. A page may be short, even empty, while there is a `next_cursor`: the search goes on there.",
    tags=["Notifications"],
    parameters=parameters(NotificationQuery),
    responses=answers(NotificationPage, 422),
    examples=[
        OpenApiExample(
            "A page", value={"results": [examples.NOTIFICATION], "next_cursor": examples.CURSOR}, response_only=True
        )
    ],
)


def list_notifications(view: ApiView) -> Response:
    """The answer to ``GET notifications``, three queries at most. Raises InvalidRequest."""
    query = view.read_query(NotificationQuery)
    found = queries.list_notifications(
        application=view.application, where=query.where(is_test=view.seen), before=query.before, limit=query.limit
    )
    return Response(page(present(found.rows), found.next_before))


class NotificationDetail(ApiView):
    """``notifications/{id}``"""

    @extend_schema(
        operation_id="get_notification",
        summary="Get a notification",
        description="A notification, the state of each of its deliveries, and the state that this makes of the whole.",
        tags=["Notifications"],
        parameters=[identifier("notification_id", "The notification.")],
        responses=answers(NotificationShape, 404),
        examples=[OpenApiExample("A notification", value=examples.NOTIFICATION, response_only=True)],
    )
    def get(self, request: Request, notification_id: str) -> Response:
        """One notification."""
        found = find_notification(self, notification_id)
        return Response(present([found])[0])


class NotificationTimeline(ApiView):
    """``notifications/{id}/timeline``"""

    @extend_schema(
        operation_id="get_notification_timeline",
        summary="Get a notification's timeline",
        description="Everything that happened to a notification, oldest first, with who did it, why, and the time "
        "since the event before it.",
        tags=["Notifications"],
        parameters=[identifier("notification_id", "The notification.")],
        responses=answers(TimelineShape, 404),
        examples=[OpenApiExample("A retry", value=examples.TIMELINE, response_only=True)],
    )
    def get(self, request: Request, notification_id: str) -> Response:
        """One notification's story."""
        found = find_notification(self, notification_id)
        past = queries.history(found)
        return Response(presentation.timeline(timeline.build(found, past.deliveries, past.attempts, past.events)))


class NotificationCancel(IdempotentPost, ApiView):
    """``notifications/{id}/cancel``"""

    @extend_schema(
        operation_id="cancel_notification",
        summary="Cancel a notification",
        description="Cancels the deliveries that were not yet handed to a provider. One that is being sent can't be "
        "called back, but is not tried again, nor on another channel. "
        "`409 conflict` when nothing is left to cancel; `403 test_data` for a live key where a test key sent it.",
        tags=["Notifications"],
        parameters=[identifier("notification_id", "The notification."), IDEMPOTENCY_KEY],
        request=None,
        responses=answers(NotificationShape, 400, 404, 409, 413, 415, 422),
        examples=[OpenApiExample("Cancelled", value=examples.CANCELLED, response_only=True)],
    )
    def post(self, request: Request, notification_id: str) -> Response:
        """Cancels what is not yet handed over."""
        self.read(Nothing)
        found = find_notification(self, notification_id)
        self.check_kind(is_test=found.is_test)
        if not lanes.cancel(notification_ids=[found.id], actor=actor(self), now=timezone.now()):
            raise Conflict("Nothing of this notification is left to cancel.")
        return Response(present([found])[0])


def actor(view: ApiView) -> str:
    """Who acts, as timelines and dead letters name them: the application, and which of its keys."""
    return f"{view.application.name}/{view.key.name or view.key.prefix}"


def worker(view: ApiView) -> Actor:
    """The same, with the address the request came from: for what is written into the audit."""
    return Actor(name=actor(view), origin=client_address(view.request))


urlpatterns = [
    path("notifications/<str:notification_id>", NotificationDetail.as_view()),
    path("notifications/<str:notification_id>/timeline", NotificationTimeline.as_view()),
    path("notifications/<str:notification_id>/cancel", NotificationCancel.as_view()),
]
