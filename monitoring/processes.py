"""What Celery's processes need on their way up and down."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from celery import signals

from monitoring import logs

_FLUSH_S = 2.0


def connect() -> None:
    """Listens to Celery. Safe to call again."""
    # With a receiver here Celery leaves the logs alone: workers and beat write what everybody writes.
    signals.setup_logging.connect(keep_logs, dispatch_uid="monitoring.keep_logs")
    signals.worker_shutdown.connect(flush_errors, dispatch_uid="monitoring.flush_errors")


def keep_logs(**_signal: Any) -> None:
    """Instead of Celery's own set-up of logs."""
    logs.configure()


def flush_errors(**_signal: Any) -> None:
    """Sends what Sentry has not been told yet: a worker may leave without running its exit handlers."""
    sentry_sdk.flush(timeout=_FLUSH_S)
