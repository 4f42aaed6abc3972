"""A command that fails."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from tests.monitoring.sentry_case.failing import fail


class Command(BaseCommand):
    """Fails."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Fails."""
        fail()
