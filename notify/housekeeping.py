"""What has to be done now and then: partitions ahead, retention, old answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from channels import quality
from notify import grace, partitions
from notify.api import idempotency
from notify.databases import DATABASE_AWAY
from notify.models import Batch, DeadLetter

logger = logging.getLogger(__name__)

_PORTION = 5000
#: The notifications of a batch may have been stored a while after it, on the next day.
_BATCH_SLACK = timedelta(days=1)


def keep_house(*, now: datetime) -> None:
    """All of it. Idempotent; any process may do it at any time. What fails keeps nothing else from being done."""
    _apart("partitions ahead", lambda: partitions.ensure(now=now, ahead_days=settings.NOTIFY["PARTITIONS_AHEAD_DAYS"]))
    _apart("retention", lambda: partitions.drop_past(now=now, retention_days=settings.NOTIFY["RETENTION_DAYS"]))
    _apart("old batches and dead letters", lambda: forget_past(now=now))
    _apart("old minutes of providers", lambda: quality.forget_past(now=now))
    _apart("old answers", lambda: forget_answers(now=now))


def _apart(step: str, work: Callable[[], object]) -> None:
    try:
        work()
    except DATABASE_AWAY as error:
        if grace.note_absence(error):
            raise
        logger.warning("housekeeping: %s: the database did not answer: %s", step, type(error).__name__)
    except Exception:
        logger.exception("housekeeping: %s failed", step)


def forget_answers(*, now: datetime) -> None:
    """Removes answers that are past their time, in small portions."""
    while idempotency.purge(now=now):
        pass


def forget_past(*, now: datetime) -> None:
    """Removes batches and dead letters whose deliveries were dropped with their partitions, in small portions: those
    from before the oldest day that is still there."""
    days = partitions.existing_days("notify_delivery")
    past = now - timedelta(days=settings.NOTIFY["RETENTION_DAYS"])
    oldest = min([past, *map(partitions.day_start, days[:1])]) - _BATCH_SLACK
    for model in (DeadLetter, Batch):
        while True:
            with transaction.atomic():
                ids = list(model.objects.filter(created_at__lt=oldest).values_list("pk", flat=True)[:_PORTION])
                model.objects.filter(pk__in=ids).delete()
            if len(ids) < _PORTION:
                break
