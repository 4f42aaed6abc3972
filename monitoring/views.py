"""What probes and Prometheus ask for."""

from __future__ import annotations

import secrets
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from monitoring import metrics
from monitoring.collector import DatabaseCollector
from monitoring.health import doctor

RETRY_AFTER_S: Final = 2


@never_cache
@require_safe
def show_liveness(_request: HttpRequest) -> HttpResponse:
    """``/healthz``: the process is alive and answers. Touches nothing else: restarting it mends no database."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def show_readiness(_request: HttpRequest) -> HttpResponse:
    """``/readyz``: 200 where messages can be accepted, else 503; each dependency in the body."""
    report = doctor.report()
    response = JsonResponse(report.as_dict(), status=200 if report.can_accept else 503)
    if not report.can_accept:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response


@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """``/metrics``: everything counted and read, for Prometheus; with a token where ``METRICS_TOKEN`` asks for one."""
    if settings.METRICS_TOKEN and not _is_authorised(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = metrics.registry()
    registry.register(DatabaseCollector())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _is_authorised(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), expected.encode())
