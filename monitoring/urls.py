"""The platform's own pulse, outside ``/api/``."""

from __future__ import annotations

from django.urls import path

from monitoring import views

urlpatterns = [
    path("healthz", views.show_liveness, name="healthz"),
    path("readyz", views.show_readiness, name="readyz"),
    path("metrics", views.show_metrics, name="metrics"),
]
