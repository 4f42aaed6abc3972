"""What has to be done now and then: partitions ahead, retention, old answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from notify import partitions
from notify.api import idempotency
from notify.models import Batch, DeadLetter

_PORTION = 5000


def keep_house(*, now: datetime) -> None:
    """All of it. Idempotent; any process may do it at any time."""
    partitions.ensure(now=now, ahead_days=settings.NOTIFY["PARTITIONS_AHEAD_DAYS"])
    partitions.drop_past(now=now, retention_days=settings.NOTIFY["RETENTION_DAYS"])
    forget_past(now=now)
    while idempotency.purge(now=now):
        pass


def forget_past(*, now: datetime) -> None:
    """Removes batches and dead letters whose deliveries were dropped with their partitions, in small portions: those
    from before the oldest day that is still there."""
    days = partitions.existing_days("notify_delivery")
    oldest = min([now - timedelta(days=settings.NOTIFY["RETENTION_DAYS"]), *map(partitions.day_start, days[:1])])
    for model in (DeadLetter, Batch):
        while True:
            with transaction.atomic():
                ids = list(model.objects.filter(created_at__lt=oldest).values_list("pk", flat=True)[:_PORTION])
                model.objects.filter(pk__in=ids).delete()
            if len(ids) < _PORTION:
                break
