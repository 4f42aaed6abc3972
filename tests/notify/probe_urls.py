"""Addresses that exist only in tests: views that echo, and views that fail in every way."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2.errors
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InternalError, OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from notify.api.base import ApiView
from notify.api.idempotency import IdempotentPost
from notify.api.validation import Input
from notify.errors import Conflict, RateLimited
from notify.models import Application

handler400 = "notify.api.problems.handler400"
handler403 = "notify.api.problems.handler403"
handler404 = "notify.api.problems.handler404"
handler500 = "notify.api.problems.handler500"


class Inner(Input):
    email: str


class Recipient(Input):
    to: Inner


class Form(Input):
    recipients: list[Recipient]
    kind: str = Field(default="a", pattern="^[a-c]$")


def _read_only() -> InternalError:
    error = InternalError("cannot execute INSERT in a read-only transaction")
    error.__cause__ = psycopg2.errors.ReadOnlySqlTransaction()
    return error


FAILURES: dict[str, Callable[[], Exception]] = {
    "conflict": lambda: Conflict("Not now."),
    "limited": lambda: RateLimited(retry_after=1.2),
    "throttled": lambda: exceptions.Throttled(wait=7),
    "missing": Http404,
    "denied": PermissionDenied,
    "suspicious": lambda: SuspiciousOperation("x"),
    "database": lambda: OperationalError("server closed the connection\nsecret detail"),
    "read-only": _read_only,
    "defect": lambda: ValueError("a secret: 13800000000"),
}


@extend_schema(exclude=True)
class Fail(ApiView):
    def get(self, request: Request, how: str) -> Response:
        raise FAILURES[how]()


@extend_schema(exclude=True)
class Validate(ApiView):
    def post(self, request: Request) -> Response:
        self.read(Form)
        return Response(None, status=204)


@extend_schema(exclude=True)
class Make(IdempotentPost, ApiView):
    """Makes an application, so that a test can count how often it was done."""

    max_body_bytes = 1000

    def post(self, request: Request) -> Response:
        name = request.data["name"]
        Application.objects.create(name=name)
        if request.data.get("fail"):
            raise Conflict("Made, and then this.")
        transaction.on_commit(lambda: COMMITTED.append(name))
        return Response({"z": name, "a": self.key.prefix}, status=202, headers={"X-Moment": "now"})


COMMITTED: list[str] = []


@extend_schema(exclude=True)
class Scoped(ApiView):
    required_scopes = {"POST": ("dead_letters", "send")}  # noqa: RUF012

    def get(self, request: Request) -> Response:
        return Response({"application": self.application.name})

    def post(self, request: Request) -> Response:
        return Response(None)


def plain(request: HttpRequest) -> HttpResponse:
    """A view that knows nothing of REST framework, and fails."""
    raise ValueError("a secret")


urlpatterns = [
    path("api/v1/fail/<str:how>", Fail.as_view()),
    path("api/v1/validate", Validate.as_view()),
    path("api/v1/make", Make.as_view()),
    path("api/v1/scoped", Scoped.as_view()),
    path("api/plain", plain),
    path("plain", plain),
]
