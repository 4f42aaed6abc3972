"""What happened to a notification that its deliveries and attempts do not already say."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class EventType(models.TextChoices):
    """Rare events are rows; accepted, scheduled, queued, claimed, attempted and retried follow from other rows."""

    SWITCHED = "switched", _("switched channel")
    RECEIPT = "receipt", _("receipt")
    CALLBACK = "callback", _("status callback")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")
    BURIED = "buried", _("buried")
    REPLAYED = "replayed", _("replayed")
    DISCARDED = "discarded", _("discarded")
    HELD = "held", _("held")
    MARKED_SENT = "marked_sent", _("marked as sent")
    RELEASED = "released", _("lease ran out")


class Event(models.Model):
    """Partitioned by day over ``id`` (a UUIDv7, whose time is the event's)."""

    id = models.UUIDField(primary_key=True, editable=False)
    notification_id = models.UUIDField(_("notification"))
    delivery_id = models.UUIDField(_("delivery"), null=True)
    type = models.CharField(_("type"), max_length=16, choices=EventType)
    channel = models.CharField(_("channel"), max_length=16, blank=True, default="")
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    actor = models.CharField(_("actor"), max_length=150, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=24, blank=True, default="")
    reason = models.TextField(_("reason"), blank=True, default="")

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = (models.Index(fields=("notification_id",), name="notify_event_notification"),)

    def __str__(self) -> str:
        return f"{self.type} {self.notification_id}"
