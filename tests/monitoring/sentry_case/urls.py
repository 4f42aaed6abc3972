"""A page that fails."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.monitoring.sentry_case.failing import fail


@csrf_exempt
def failing_page(_request: HttpRequest) -> HttpResponse:
    """Fails."""
    fail()


urlpatterns = [path("fail", failing_page, name="fail")]
