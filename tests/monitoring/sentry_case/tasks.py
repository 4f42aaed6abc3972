"""A task that fails."""

from __future__ import annotations

from config.celery import app
from tests.monitoring.sentry_case.failing import fail


@app.task(name="tests.fail")
def failing_task() -> None:
    """Fails."""
    fail()
