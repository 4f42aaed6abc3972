"""Sending: one notification, or a batch as JSON or NDJSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from notify import submission
from notify.api import examples, presentation, stream
from notify.api.base import ApiView
from notify.api.describing import IDEMPOTENCY_KEY, answers
from notify.api.idempotency import Answer, read_key, request_fingerprint, run_idempotently
from notify.api.inputs import BatchBody, BatchInput, NotificationInput, RecipientInput, StreamHead
from notify.api.reads import list_notifications, list_schema
from notify.api.shapes import AcceptedBatchShape, AcceptedShape
from notify.api.stream import Stream
from notify.api.validation import field_errors
from notify.errors import FieldError, InvalidRequest
from notify.orders import Recipient
from notify.submission import AcceptedBatch


class Notifications(ApiView):
    """``notifications``"""

    @list_schema
    def get(self, request: Request) -> Response:
        """A page of notifications."""
        return list_notifications(self)

    @extend_schema(
        operation_id="send_notification",
        summary="Send a notification",
        description="Accepts one notification to one person. `202` means that its deliveries are stored: from here on "
        "they reach the person, or their end is accounted for. `429 lane_saturated`: too much waits in a lane it goes "
        "to; nothing was stored, and `Retry-After` says when it is worth another try. Never for `critical`.",
        tags=["Notifications"],
        parameters=[IDEMPOTENCY_KEY],
        request=NotificationInput,
        responses=answers(AcceptedShape, 400, 409, 413, 415, 422, success=202),
        examples=[
            OpenApiExample("By template", value=examples.SEND_TEMPLATE, request_only=True),
            OpenApiExample("With content", value=examples.SEND_CONTENT, request_only=True),
            OpenApiExample("Accepted", value=examples.ACCEPTED, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accepts one notification."""

        def work() -> Answer:
            sent = self.read(NotificationInput)
            accepted = submission.accept(
                key=self.key,
                order=sent.order(),
                recipient=sent.recipient(),
                request_id=getattr(request, "request_id", ""),
                now=timezone.now(),
            )
            bind_contextvars(notification_id=str(accepted.notification.id))
            body = presentation.accepted(accepted.notification, accepted.deliveries)
            return Answer(status=202, body=body, headers=accepted.limits.headers)

        fingerprint = request_fingerprint(request) if read_key(request) is not None else b""
        return run_idempotently(request=request, application=self.application, fingerprint=fingerprint, work=work)


class NotificationBatch(ApiView):
    """``notifications/batch``"""

    max_body_bytes = settings.NOTIFY["MAX_BATCH_BODY_BYTES"]

    @extend_schema(
        operation_id="send_batch",
        summary="Send a batch",
        description="Accepts one message to up to 10,000 people, or, as `application/x-ndjson` (the common part on the "
        "first line, then a recipient a line), to up to 100,000. All or nothing, unless `on_invalid` is `skip`. "
        "`429 lane_saturated` as for one notification, and before any recipient is looked at.",
        tags=["Batches"],
        parameters=[IDEMPOTENCY_KEY],
        request={"application/json": BatchBody, "application/x-ndjson": OpenApiTypes.BINARY},
        responses=answers(AcceptedBatchShape, 400, 409, 413, 415, 422, success=202),
        examples=[
            OpenApiExample("A batch", value=examples.SEND_BATCH, request_only=True, media_type="application/json"),
            OpenApiExample("Accepted", value=examples.ACCEPTED_BATCH, response_only=True, status_codes=["202"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accepts a batch."""
        if (request.content_type or "").partition(";")[0].strip().lower() == stream.MEDIA_TYPE:
            return self._post_stream(request)
        fingerprint = request_fingerprint(request) if read_key(request) is not None else b""

        def work() -> Answer:
            sent = self.read(BatchInput)
            most = settings.NOTIFY["MAX_BATCH_RECIPIENTS"]
            if len(sent.recipients) > most:
                detail = f"At most {most} recipients; {len(sent.recipients)} were sent."
                raise InvalidRequest(detail, errors=[FieldError("recipients", "too_long", detail)])
            return self._accept(sent, _recipients(sent.recipients), lambda index: f"recipients[{index}]")

        return run_idempotently(request=request, application=self.application, fingerprint=fingerprint, work=work)

    def _post_stream(self, request: Request) -> Response:
        read_key(request)
        body = Stream.receive(request)
        try:
            return run_idempotently(
                request=request,
                application=self.application,
                fingerprint=body.fingerprint,
                work=lambda: self._accept(body.head(), body.recipients(), body.label),
            )
        finally:
            body.close()

    def _accept(
        self, head: StreamHead, recipients: Iterator[Recipient | list[FieldError]], label: Callable[[int], str]
    ) -> Answer:
        batch = submission.accept_batch(
            key=self.key,
            order=head.order(),
            recipients=recipients,
            on_invalid=head.on_invalid,
            request_id=getattr(self.request, "request_id", ""),
            now=timezone.now(),
            label=label,
        )
        bind_contextvars(batch_id=str(batch.id))
        return Answer(status=202, body=_accepted_batch(batch), headers=batch.limits.headers)


def _recipients(entries: list[Any]) -> Iterator[Recipient | list[FieldError]]:
    for entry in entries:
        try:
            yield RecipientInput.model_validate(entry).recipient()
        except ValidationError as error:
            yield field_errors(error)


def _accepted_batch(batch: AcceptedBatch) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "accepted": batch.accepted,
        "rejected": [
            {
                "index": index,
                "errors": [{"path": fault.path, "code": fault.code, "detail": fault.detail} for fault in faults],
            }
            for index, faults in batch.rejected
        ],
    }


urlpatterns = [
    path("notifications", Notifications.as_view(), name="notifications"),
    path("notifications/batch", NotificationBatch.as_view(), name="notification-batch"),
]
