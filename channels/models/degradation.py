"""How providers and channels stand now, and every change of it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Standing(models.Model):
    """How a target, ``provider:<name>`` or ``channel:<name>``, stands. Written by ``channels.degradation.standings``
    alone; a target without a row is well."""

    target = models.CharField(_("target"), max_length=80, primary_key=True)
    data = models.JSONField(_("standing"))
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")

    def __str__(self) -> str:
        return self.target


class DegradationEvent(models.Model):
    """One change of a standing, with the figures it was decided on. ``source``: who decided (``auto``: the engine)."""

    target = models.CharField(_("target"), max_length=80)
    before = models.CharField(_("before"), max_length=16)
    after = models.CharField(_("after"), max_length=16)
    share_before = models.FloatField(_("share before"))
    share_after = models.FloatField(_("share after"))
    reason = models.TextField(_("reason"))
    figures = models.JSONField(_("figures"), null=True)
    source = models.CharField(_("source"), max_length=8, default="auto")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("degradation event")
        verbose_name_plural = _("degradation events")
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("target", "-at"), name="channels_event_target"),
            models.Index(fields=("-at",), name="channels_event_at"),
        )

    def __str__(self) -> str:
        return f"{self.target}: {self.before} → {self.after}"
