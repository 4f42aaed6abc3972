"""What the tests of messages whose report is awaited share: changing a provider, one drain, and what came of it."""

from __future__ import annotations

from typing import Any

from channels import directory
from channels.models import Provider
from notify import dispatch
from notify.models import Attempt, Delivery
from notify.rows import DeliveryRow


def configure(name: str, **config: Any) -> None:
    """Gives a provider another configuration."""
    one = Provider.objects.get(name=name)
    one.config = config
    one.save()
    directory.forget()


def drain() -> None:
    """One run over the lane of bulk SMS."""
    dispatch.drain(lane="sms.bulk", worker="test", stopping=lambda: False)


def state(row: DeliveryRow) -> Delivery:
    """The delivery as it stands."""
    return Delivery.objects.get(pk=row.id)


def asked() -> list[tuple[str, str]]:
    """Who was asked, and what came of it, in order."""
    return list(Attempt.objects.order_by("id").values_list("provider", "outcome"))
