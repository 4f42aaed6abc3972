"""Receipts of messages that are not known yet."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class EarlyReceipt(models.Model):
    """A provider may report before we have written down what it called the message. Such a report is kept for a moment
    and looked at again at ``due_at``; nobody's is forgotten soon after ``received_at``."""

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(_("provider"), max_length=64)
    provider_message_id = models.CharField(_("provider's id"), max_length=255)
    delivered = models.BooleanField(_("delivered"))
    at = models.DateTimeField(_("at"))
    detail = models.TextField(_("detail"), blank=True, default="")
    received_at = models.DateTimeField(_("received at"))
    due_at = models.DateTimeField(_("due at"))

    class Meta:
        verbose_name = _("early receipt")
        verbose_name_plural = _("early receipts")
        indexes = (models.Index(fields=("due_at",), name="notify_early_receipt_due"),)
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "provider_message_id", "delivered"), name="notify_early_receipt_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_message_id}"
