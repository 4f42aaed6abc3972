"""A delivery: one notification on its way to one address, and the attempts made of it."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models.application import Application
from notify.models.notification import Notification


class DeliveryStatus(models.TextChoices):
    """The life of a delivery. Only ``notify.lanes``, ``notify.leases`` and ``notify.reported`` write it."""

    SCHEDULED = "scheduled", _("scheduled")
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    DEAD = "dead", _("dead")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    SUPPRESSED = "suppressed", _("suppressed")
    HELD = "held", _("held")


IN_FLIGHT: Final = (DeliveryStatus.SCHEDULED, DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
TERMINAL: Final = tuple(status for status in DeliveryStatus if status not in IN_FLIGHT)


class DeliveryKind(models.IntegerChoices):
    """Messages are what applications send; callbacks are what we tell them about it, over the webhook lanes."""

    MESSAGE = 0, _("message")
    CALLBACK = 1, _("status callback")


class Delivery(models.Model):
    """Partitioned by day over ``id`` (a UUIDv7).

    ``due_at``: when it may be claimed. ``deadline``: when it is of no more use. ``step_deadline``: with route *first*,
    when the next channel's turn comes. ``lease`` names the claim that holds it until ``lease_until``.
    ``receipt_until``: set where its provider reports what becomes of it; until then *sent* is not its end.
    ``address_hash``: ``notify.address_hash``; None for callbacks, and for what is older than the column.
    ``cancel_requested``: it was being sent when somebody cancelled it; it will not be tried again.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    notification = models.ForeignKey(
        Notification,
        verbose_name=_("notification"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="deliveries",
    )
    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    batch_id = models.UUIDField(_("batch"), null=True)
    kind = models.SmallIntegerField(_("kind"), choices=DeliveryKind, default=DeliveryKind.MESSAGE)
    channel = models.CharField(_("channel"), max_length=16)
    lane = models.CharField(_("lane"), max_length=24)
    step = models.SmallIntegerField(_("step"), default=0)
    address = models.TextField(_("address"))
    payload = models.JSONField(_("payload"), null=True)
    is_test = models.BooleanField(_("test"), default=False)
    status = models.CharField(_("status"), max_length=12, choices=DeliveryStatus)
    due_at = models.DateTimeField(_("due at"))
    deadline = models.DateTimeField(_("deadline"))
    step_deadline = models.DateTimeField(_("step deadline"), null=True)
    lease = models.UUIDField(_("lease"), null=True)
    lease_until = models.DateTimeField(_("leased until"), null=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    waits = models.SmallIntegerField(_("waits without an attempt"), default=0)
    replays = models.SmallIntegerField(_("replays"), default=0)
    cancel_requested = models.BooleanField(_("cancelling was asked for"), default=False)
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    provider_message_id = models.CharField(_("provider's id"), max_length=255, blank=True, default="")
    error_code = models.CharField(_("error"), max_length=64, blank=True, default="")
    error_detail = models.TextField(_("error detail"), blank=True, default="")
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    receipt_until = models.DateTimeField(_("receipt awaited until"), null=True)
    address_hash = models.BigIntegerField(_("keyed hash of the address"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = (
            models.Index(
                fields=("lane", "application", "due_at"),
                name="notify_delivery_due",
                condition=models.Q(status__in=("queued", "scheduled")),
            ),
            models.Index(fields=("lease_until",), name="notify_delivery_lease", condition=models.Q(status="sending")),
            models.Index(
                fields=("batch_id",), name="notify_delivery_batch", condition=models.Q(batch_id__isnull=False)
            ),
            models.Index(
                fields=("provider_message_id",),
                name="notify_delivery_receipt",
                condition=models.Q(receipt_until__isnull=False),
            ),
            models.Index(fields=("id",), name="notify_delivery_held", condition=models.Q(status="held")),
            # A Bloom filter for each 32 pages: a B-tree of random numbers would cost a quarter of the speed of COPY.
            BrinIndex(
                fields=("address_hash",),
                name="notify_delivery_address",
                opclasses=("int8_bloom_ops",),
                pages_per_range=32,
            ),
        )

    def __str__(self) -> str:
        return str(self.id)


class Attempt(models.Model):
    """One conversation with one provider about one delivery. Partitioned by day over ``id`` (a UUIDv7).

    Several attempts may share a ``number``: falling over to the next provider belongs to the same attempt.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    delivery_id = models.UUIDField(_("delivery"))
    notification_id = models.UUIDField(_("notification"))
    number = models.SmallIntegerField(_("number"))
    channel = models.CharField(_("channel"), max_length=16)
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=24)
    error_detail = models.TextField(_("error detail"), blank=True, default="")
    reason = models.TextField(_("reason"), blank=True, default="")
    provider_message_id = models.CharField(_("provider's id"), max_length=255, blank=True, default="")
    worker = models.CharField(_("worker"), max_length=64, blank=True, default="")
    claimed_at = models.DateTimeField(_("claimed at"))
    started_at = models.DateTimeField(_("started at"))
    latency_ms = models.FloatField(_("latency, ms"))
    retry_at = models.DateTimeField(_("retry at"), null=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes = (models.Index(fields=("notification_id",), name="notify_attempt_notification"),)

    def __str__(self) -> str:
        return str(self.id)
