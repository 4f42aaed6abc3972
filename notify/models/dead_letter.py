"""Deliveries that used up their attempts or their time, kept for a person."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models.application import Application


class DeadLetterState(models.TextChoices):
    """What became of it: what a person has done about it, or *delivered*, where its provider reported that later."""

    OPEN = "open", _("open")
    REPLAYED = "replayed", _("replayed")
    DISCARDED = "discarded", _("discarded")
    DELIVERED = "delivered", _("delivered")


class DeadLetter(models.Model):
    """One burial of one delivery. A delivery has at most one open dead letter; each replay that fails adds another."""

    id = models.UUIDField(primary_key=True, editable=False)
    delivery_id = models.UUIDField(_("delivery"))
    notification_id = models.UUIDField(_("notification"))
    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    channel = models.CharField(_("channel"), max_length=16)
    lane = models.CharField(_("lane"), max_length=24)
    provider = models.CharField(_("provider"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=64)
    detail = models.TextField(_("detail"), blank=True)
    attempts = models.SmallIntegerField(_("attempts"))
    state = models.CharField(_("state"), max_length=12, choices=DeadLetterState, default=DeadLetterState.OPEN)
    created_at = models.DateTimeField(_("buried at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        constraints = (
            models.UniqueConstraint(
                fields=("delivery_id",), name="notify_dead_letter_open", condition=models.Q(state="open")
            ),
        )
        indexes = (
            models.Index(fields=("application", "state", "-id"), name="notify_dead_letter_app"),
            models.Index(fields=("state", "channel", "reason"), name="notify_dead_letter_reason"),
            models.Index(fields=("notification_id",), name="notify_dead_letter_notif"),
            models.Index(
                fields=("reason", "provider", "channel", "application"),
                name="notify_dead_letter_groups",
                condition=models.Q(state="open"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.reason}: {self.delivery_id}"
