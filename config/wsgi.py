"""What the web server serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config import memory, tether, unread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
tether.hold_grandchild("web")  # the server's worker processes are not children of the supervisor

_django = get_wsgi_application()
# The URLs with all their views now, and not in the first request: that one is somebody's.
get_resolver().url_patterns  # noqa: B018
memory.settle()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's answer; one that is complete as a list, which granian sends in one piece (a tenth of a small call)."""
    response = _django(environ, start_response)
    if getattr(response, "status_code", 200) >= 400:
        unread.read_away(environ)
    if getattr(response, "streaming", True):
        return response
    body = [response.content]  # type: ignore[attr-defined]
    response.close()
    return body
