"""(b) The usual design: the API stores a row and sends a task for it; the task loads the row, renders, calls the
provider, writes down what came of it, and Celery retries what failed.

On the product's own models, database and sandbox, with its template engine (which keeps parsed templates, as a careful
team would too). Acknowledged late, because a task that a dying worker takes along is a message lost.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import Final
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.baselines.surroundings import celery_app  # noqa: E402
from channels import registry  # noqa: E402
from channels.errors import ProviderError  # noqa: E402
from channels.types import OutboundMessage, SendReceipt  # noqa: E402
from notify import templating  # noqa: E402
from notify.ids import new_id  # noqa: E402
from notify.models import Attempt, Delivery, DeliveryStatus  # noqa: E402

QUEUE: Final = "messages"
TASK: Final = "bench.send"
#: The fastest of the pools that a worker may have, on two cores (docs/performance.md has the others' figures).
OPTIONS: Final = ("--pool", "prefork", "--concurrency", "2", "--prefetch-multiplier", "64")
_WORKER: Final = f"tasks@{socket.gethostname()}"

# A connection that lives as long as its thread: closing it after each task would cost more than the task.
app = celery_app("bench-messages", database=2, queue=QUEUE, CELERY_DB_REUSE_MAX=1_000_000_000)
provider = registry.build(adapter="sandbox", provider="sandbox", config={"journal": False})


@app.task(
    name=TASK,
    acks_late=True,
    autoretry_for=(ProviderError,),
    retry_backoff=2,
    retry_backoff_max=600,
    retry_jitter=True,
    max_retries=8,
)
def send(delivery_id: str) -> None:
    """One message, from its row to its provider."""
    delivery = Delivery.objects.select_related("notification", "application").get(pk=UUID(delivery_id))
    if delivery.status != DeliveryStatus.QUEUED:
        return  # the broker may deliver a task twice
    message = _message(delivery)
    started_at, began = timezone.now(), time.monotonic()
    receipt = provider.send(message, timeout=10.0)
    _record(delivery, receipt, started_at=started_at, latency_ms=(time.monotonic() - began) * 1000)


def _message(delivery: Delivery) -> OutboundMessage:
    notification = delivery.notification
    rendered = templating.render(
        version_id=notification.template_version_id,
        channel=delivery.channel,
        locale=notification.locale,
        params=notification.params,
    )
    return OutboundMessage(
        id=delivery.id,
        channel=delivery.channel,
        priority=notification.priority,
        to=delivery.address,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        deadline=delivery.deadline,
        application=delivery.application.name,
        locale=notification.locale,
        params=notification.params,
    )


def _record(delivery: Delivery, receipt: SendReceipt, *, started_at: datetime, latency_ms: float) -> None:
    now = timezone.now()
    with transaction.atomic():
        Attempt.objects.create(
            id=new_id(),
            delivery_id=delivery.id,
            notification_id=delivery.notification_id,
            number=delivery.attempts + 1,
            channel=delivery.channel,
            provider="sandbox",
            outcome="sent",
            provider_message_id=receipt.provider_message_id,
            worker=_WORKER,
            claimed_at=started_at,
            started_at=started_at,
            latency_ms=latency_ms,
        )
        Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.QUEUED).update(
            status=DeliveryStatus.SENT,
            attempts=delivery.attempts + 1,
            provider="sandbox",
            provider_message_id=receipt.provider_message_id,
            sent_at=now,
            finished_at=now,
        )
