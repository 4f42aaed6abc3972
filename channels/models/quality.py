"""What each provider did, by the minute."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ProviderMinute(models.Model):
    """A minute of a provider, for charts and comparisons. The provider is a name, not a row: its minutes outlive it.
    Receipts are those of the messages that were handed over in this minute, whenever they came."""

    pk = models.CompositePrimaryKey("provider", "minute")
    provider = models.CharField(_("provider"), max_length=64)
    minute = models.DateTimeField(_("minute"))
    channel = models.CharField(_("channel"), max_length=16, blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    successes = models.PositiveIntegerField(_("successes"), default=0)
    provider_faults = models.PositiveIntegerField(_("provider's faults"), default=0)
    timeouts = models.PositiveIntegerField(_("timeouts"), default=0)
    recipient_faults = models.PositiveIntegerField(_("recipients' faults"), default=0)
    throttled = models.PositiveIntegerField(_("throttled"), default=0)
    errors = models.JSONField(_("errors by code"), default=dict, blank=True)
    latency_ms = models.BinaryField(_("latency, milliseconds"), default=bytes, help_text="channels.histogram")
    receipts_due = models.PositiveIntegerField(_("receipts due"), default=0)
    receipts_come = models.PositiveIntegerField(_("receipts that came"), default=0)
    receipts_failed = models.PositiveIntegerField(_("receipts of failures"), default=0)
    receipt_delay_s = models.BinaryField(_("receipts' delay, seconds"), default=bytes, help_text="channels.histogram")

    class Meta:
        verbose_name = _("minute of a provider")
        verbose_name_plural = _("minutes of providers")
        indexes = (models.Index(fields=("minute",), name="channels_minute"),)

    def __str__(self) -> str:
        return f"{self.provider} {self.minute:%Y-%m-%d %H:%M}"
