"""A page that fails."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.monitoring.sentry_case.failing import fail


def failing_page(_request: HttpRequest) -> HttpResponse:
    """Fails."""
    fail()


urlpatterns = [path("fail", failing_page, name="fail")]
