"""Around every request: an id, the log's context, one line, one figure."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import resolve
from structlog.contextvars import bind_contextvars, clear_contextvars

from monitoring import receivers
from notify.ids import new_id

_log = logging.getLogger("goutong.access")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContextMiddleware:
    """Stands first. ``request.request_id`` is the caller's ``X-Request-ID`` where that is sane, else a new one; it is
    in every log line of the request and in every answer, errors too."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not _SANE_ID.fullmatch(request_id):
            request_id = str(new_id())
        request.request_id = request_id  # type: ignore[attr-defined]
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        try:
            response = self._get_response(request)
            response.headers["X-Request-ID"] = request_id
            _account(request, response, time.perf_counter() - started)
            return response
        finally:
            clear_contextvars()


class ProbeMiddleware:
    """Stands second, and answers probes itself: load balancers ask by address, with a Host that ``ALLOWED_HOSTS`` does
    not know, and need neither sessions nor languages."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in PROBES:
            return self._get_response(request)
        match = resolve(request.path_info, urlconf="monitoring.urls")
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response


def _account(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    method = request.method if request.method in _METHODS else "OTHER"
    receivers.count_request(method=method, route=_route(request), status=response.status_code, seconds=seconds)
    level = logging.DEBUG if request.path_info in PROBES else logging.INFO
    if _log.isEnabledFor(level):
        fields: dict[str, Any] = {
            "method": method,
            "path": request.path,
            "status": response.status_code,
            "ms": round(seconds * 1000, 2),
        }
        if application := _application(request):
            fields["application"] = application
        if not response.streaming:
            fields["bytes"] = len(response.content)  # type: ignore[attr-defined]
        _log.log(level, "request", extra={"fields": fields})


def _route(request: HttpRequest) -> str:
    """The name of the URL pattern: there are as many as we wrote, whatever people ask for."""
    match = request.resolver_match
    if match is not None:
        return match.view_name or match.route
    return "static" if request.path_info.startswith(str(settings.STATIC_URL)) else "unmatched"


def _application(request: HttpRequest) -> str:
    """The name of the application whose key the request came with, where authentication has found one."""
    key = getattr(request, "auth", None)
    return str(getattr(getattr(key, "application", None), "name", ""))
