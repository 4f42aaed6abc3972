"""The limits of an application, as its answers tell them."""

from __future__ import annotations

from django.http import HttpResponse

from notify.quota import LimitState


def show_limits(response: HttpResponse, state: LimitState) -> None:
    """Adds the ``RateLimit`` and ``RateLimit-Policy`` headers of ``state``; none where no limit applies. Refusals (429)
    carry them already."""
    for name, value in state.headers.items():
        response[name] = value
