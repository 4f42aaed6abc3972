"""What has to be done now and then: partitions ahead, retention, old answers."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from channels import quality
from channels.degradation import pins, standings
from notify import partitions
from notify.api import idempotency
from notify.databases import apart
from notify.models import Batch, DeadLetter

logger = logging.getLogger(__name__)

_PORTION = 5000
#: The notifications of a batch may have been stored a while after it, on the next day.
_BATCH_SLACK = timedelta(days=1)


def keep_house(*, now: datetime) -> None:
    """All of it. Idempotent; any process may do it at any time. What fails keeps nothing else from being done."""
    with apart("housekeeping: partitions ahead", log=logger):
        partitions.ensure(now=now, ahead_days=settings.NOTIFY["PARTITIONS_AHEAD_DAYS"])
    with apart("housekeeping: retention", log=logger):
        partitions.drop_past(now=now, retention_days=settings.NOTIFY["RETENTION_DAYS"])
    with apart("housekeeping: old batches and dead letters", log=logger):
        forget_past(now=now)
    with apart("housekeeping: old minutes of providers", log=logger):
        quality.forget_past(now=now)
    with apart("housekeeping: old degradations", log=logger):
        standings.forget_past(now=now)
        pins.forget_past(now=now)
    with apart("housekeeping: old answers", log=logger):
        forget_answers(now=now)


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
