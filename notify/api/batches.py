"""Batches: how far they are, and cancelling what is left of them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from notify import lanes, queries
from notify.api import examples, presentation
from notify.api.base import ApiView
from notify.api.describing import IDEMPOTENCY_KEY, answers, identifier
from notify.api.idempotency import IdempotentPost
from notify.api.reads import Nothing, actor
from notify.api.shapes import BatchShape
from notify.errors import Conflict, NotFound
from notify.models import Batch, DeliveryStatus


def _find(view: ApiView, batch_id: str) -> tuple[Batch, bool]:
    """The batch with this id among those that the key sees, and whether a test key sent it. Raises NotFound."""
    found = queries.find_batch(application=view.application, batch_id=batch_id)
    is_test = queries.is_test_batch(found)
    if view.key.is_test and not is_test:
        raise NotFound("There is no batch with this id.")
    return found, is_test


def _present(found: Batch, is_test: bool) -> dict[str, Any]:
    counts = queries.batch_counts(found)
    # Only route "first" has failed deliveries that were followed by others.
    rescued = queries.batch_rescued(found) if counts[DeliveryStatus.FAILED] else 0
    awaited = queries.batch_awaited(found, now=timezone.now()) if counts[DeliveryStatus.SENT] else 0
    return presentation.batch(found, counts, rescued=rescued, awaited=awaited, is_test=is_test)


class BatchDetail(ApiView):
    """``batches/{id}``"""

    @extend_schema(
        operation_id="get_batch",
        summary="Get a batch",
        description="How many of a batch's deliveries are in each state. `complete` only when none is in flight and no "
        "receipt awaited any more (for a day at most); what went wrong by then is counted apart, in `failures`.",
        tags=["Batches"],
        parameters=[identifier("batch_id", "The batch.")],
        responses=answers(BatchShape, 404),
        examples=[OpenApiExample("Under way", value=examples.BATCH, response_only=True)],
    )
    def get(self, request: Request, batch_id: str) -> Response:
        """One batch."""
        found, is_test = _find(self, batch_id)
        return Response(_present(found, is_test))


class BatchCancel(IdempotentPost, ApiView):
    """``batches/{id}/cancel``"""

    @extend_schema(
        operation_id="cancel_batch",
        summary="Cancel a batch",
        description="Cancels the deliveries of a batch that were not yet handed to a provider; those being sent are "
        "not tried again. "
        "`409 conflict` when nothing is left to cancel; `403 test_data` for a live key where a test key sent it.",
        tags=["Batches"],
        parameters=[identifier("batch_id", "The batch."), IDEMPOTENCY_KEY],
        request=None,
        responses=answers(BatchShape, 400, 404, 409, 413, 415, 422),
        examples=[OpenApiExample("Cancelled while under way", value=examples.BATCH, response_only=True)],
    )
    def post(self, request: Request, batch_id: str) -> Response:
        """Cancels what is left of it."""
        self.read(Nothing)
        found, is_test = _find(self, batch_id)
        self.check_kind(is_test=is_test)
        now = timezone.now()
        with transaction.atomic():
            if not lanes.cancel(batch_id=found.id, actor=actor(self), now=now):
                raise Conflict("Nothing of this batch is left to cancel.")
            if Batch.objects.filter(pk=found.pk, cancelled_at=None).update(cancelled_at=now):
                found.cancelled_at = now
        return Response(_present(found, is_test))


urlpatterns = [
    path("batches/<str:batch_id>", BatchDetail.as_view()),
    path("batches/<str:batch_id>/cancel", BatchCancel.as_view()),
]
