"""A provider: somebody who carries messages of one channel for us."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from channels.encryption import EncryptedJSONField
from channels.types import MAX_CONCURRENCY

validate_rate = RegexValidator(r"^[1-9]\d{0,8}/(s|m|h|d)$", _("Write a rate as a number and a unit, such as 200/s."))


class Provider(models.Model):
    """An account at a provider, reached by an adapter. ``config`` is encrypted at rest: it holds credentials."""

    name = models.SlugField(_("name"), max_length=64, unique=True)
    channel = models.CharField(_("channel"), max_length=16)
    adapter = models.CharField(_("adapter"), max_length=32)
    weight = models.PositiveIntegerField(
        _("weight"),
        default=100,
        validators=[MaxValueValidator(1_000_000)],
        help_text=_("Its share of the channel's traffic, against the weights of the others. 0: only as a last resort."),
    )
    rate_limit = models.CharField(
        _("rate limit"), max_length=16, blank=True, validators=[validate_rate], help_text=_("Such as 200/s.")
    )
    max_concurrency = models.PositiveIntegerField(
        _("concurrent calls"), default=16, validators=[MinValueValidator(1), MaxValueValidator(MAX_CONCURRENCY)]
    )
    timeout_s = models.FloatField(
        _("timeout, seconds"), default=10.0, validators=[MinValueValidator(0.05), MaxValueValidator(120)]
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    config = EncryptedJSONField(_("configuration"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        indexes = (models.Index(fields=("channel",), name="channels_provider_channel"),)

    def __str__(self) -> str:
        return self.name
