"""In front of the pages: what no database can be asked for."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.defaults import bad_request


class NulMiddleware:
    """Refuses addresses of the admin that hold U+0000: PostgreSQL has no such character, and every search, filter and
    id would fail on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and (
            "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info
        ):
            return bad_request(request, ValueError("U+0000"))
        return self._get_response(request)
