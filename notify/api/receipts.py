"""Where providers report what became of messages. They show who they are as each of them does: by a signature that its
adapter checks, not by a key of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from channels import gateway
from channels.callbacks import CallbackForged, CallbackUnreadable, NobodyListens
from channels.types import CallbackRequest
from notify import receipts
from notify.api.authentication import Unauthenticated
from notify.api.base import ApiView
from notify.api.describing import answers
from notify.api.parsers import read_body
from notify.api.shapes import Shape
from notify.errors import MalformedRequest, NotFound, NotifyError

#: How long a callback waits for its turn.
_PATIENCE_S: Final = 2.0


class ForgedReceipt(Unauthenticated):
    """The signature is missing, wrong or too old."""

    code = "invalid_signature"
    challenge = 'Signature realm="goutong"'


class TooManyReceipts(NotifyError):
    """Too many receipts come at once; send this one again in a moment."""

    code = "too_many_receipts"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class _Desk:
    """So many callbacks at once are worked on in this process, and so many more wait: whatever providers send, most of
    the threads are left for applications, and most of the database for sending."""

    def __init__(self, *, places: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._room = threading.BoundedSemaphore(places + waiting)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place, waited for. Raises TooManyReceipts."""
        if not self._room.acquire(blocking=False):
            raise TooManyReceipts(retry_after=_PATIENCE_S)
        try:
            if not self._places.acquire(timeout=_PATIENCE_S):
                raise TooManyReceipts(retry_after=_PATIENCE_S)
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._room.release()


_desk = _Desk(places=max(1, settings.WEB_THREADS // 4), waiting=max(1, settings.WEB_THREADS // 4))


class ReceiptsShape(Shape):
    """What was taken in."""

    reports: int = Field(description="How many reports the callback held that say what became of a message.")


_EXAMPLE: Final = {
    "reports": [
        {"id": "01a20e5f-2c40-7a12-8b3e-94c1d2f05a68", "status": "delivered", "at": "2026-11-24T08:30:04.120+00:00"},
        {"id": "01a20e5f-2c40-7a13-9c41-0b7d3e5f6a80", "status": "undelivered", "detail": "the number is not in use"},
    ]
}
_NEVER: Final = (403, 429)


def _answers() -> dict[Any, Any]:
    """Those of every call, without what has to do with keys and their limits."""
    every = answers(ReceiptsShape, 400, 404, 413, 415)
    return {key: value for key, value in every.items() if not (isinstance(key, tuple) and key[0] in _NEVER)}


class Receipts(ApiView):
    """``receipts/{provider}``"""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="take_receipts",
        summary="Report deliveries",
        description="For providers: what became of messages they took. Signed, and written, as the provider does; how "
        "it is read is in the provider's configuration (`callback`). The answer is what the provider wants to read, "
        "where its configuration says so. A report may come twice, late, or in any order.\n\n"
        "What was answered with 200 is stored. `401 invalid_signature` when it is not signed as it should be, "
        "`400 malformed_request` when it can't be read, `404` for a provider that is not known or reports nothing, "
        "`503` when it is to be sent again.",
        tags=["Receipts"],
        parameters=[OpenApiParameter("provider", str, OpenApiParameter.PATH, description="The provider's name.")],
        request={
            "application/json": OpenApiTypes.OBJECT,
            "application/x-www-form-urlencoded": OpenApiTypes.OBJECT,
        },
        responses=_answers(),
        examples=[
            OpenApiExample("As the sandbox reports", value=_EXAMPLE, request_only=True, media_type="application/json"),
            OpenApiExample("Taken", value={"reports": 2}, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request, provider: str) -> HttpResponse | Response:
        """Takes in what ``provider`` reports."""
        try:
            gateway.check_listens(provider)
            callback = gateway.parse_callback(provider=provider, request=_read(request))
        except NobodyListens:
            raise NotFound("There is no provider of this name that reports deliveries.") from None
        except CallbackForged as error:
            raise ForgedReceipt(f"This is not from {provider}: {error}.") from None
        except CallbackUnreadable as error:
            raise MalformedRequest(f"This can't be read: {error}.") from None
        with _desk.place():
            receipts.take(provider=provider, events=callback.events, now=timezone.now())
        if callback.answer:
            kind = "application/json" if callback.answer.lstrip().startswith(("{", "[")) else "text/plain"
            return HttpResponse(callback.answer, content_type=f"{kind}; charset=utf-8")
        return Response({"reports": len(callback.events)})


def _read(request: Request) -> CallbackRequest:
    return CallbackRequest(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=read_body(request),
        query=request.query_params.dict(),
    )


urlpatterns = [path("receipts/<str:provider>", Receipts.as_view())]
