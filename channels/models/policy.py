"""By which figures a provider or a channel is judged."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Policy(models.Model):
    """Thresholds for one target, ``provider:<name>`` or ``channel:<name>``."""

    target = models.CharField(_("target"), max_length=80, unique=True)
    rules = models.JSONField(_("rules"), default=dict)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")

    def __str__(self) -> str:
        return self.target
