"""Pages that exist only in tests: one that answers, one that fails, one that logs, one that an application calls."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import structlog
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path


def answer(_request: HttpRequest, anything: str) -> HttpResponse:
    """Answers."""
    return HttpResponse(b"hello")


def break_down(_request: HttpRequest) -> HttpResponse:
    """Fails."""
    raise RuntimeError("broken for +8613800001234")


def log(request: HttpRequest) -> HttpResponse:
    """Logs, with more in the context than came in."""
    structlog.contextvars.bind_contextvars(notification_id="n-1")
    logging.getLogger("tests.page").info("from the page")
    return HttpResponse(request.request_id)  # type: ignore[attr-defined]


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    """Answers in pieces."""
    return StreamingHttpResponse([b"a", b"b"])


def answer_application(request: HttpRequest) -> HttpResponse:
    """Answers an application."""
    request.auth = SimpleNamespace(application=SimpleNamespace(name="billing"))  # type: ignore[attr-defined]
    return HttpResponse(b"hello")


urlpatterns = [
    path("", include("monitoring.urls")),
    path("answer/<str:anything>", answer, name="answer"),
    path("break", break_down, name="break"),
    path("log", log, name="log"),
    path("stream", stream, name="stream"),
    path("application", answer_application, name="application"),
]
