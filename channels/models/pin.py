"""What people have ordered of channels and providers, against the engine, until a time."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from channels.names import PinAction, PinSource

_ACTIONS: Final = {
    PinAction.DISABLE: _("disable the provider"),
    PinAction.SET_WEIGHTS: _("set the providers' weights"),
    PinAction.SWITCH: _("switch to the fallback channel"),
    PinAction.SHED_BULK: _("hold bulk messages"),
    PinAction.THROTTLE: _("slow down"),
    PinAction.HOLD: _("pause and hold"),
}
_SOURCES: Final = {
    PinSource.MANUAL: _("a person"),
    PinSource.PLAN: _("a plan"),
    PinSource.DRILL: _("a drill"),
}


class Pin(models.Model):
    """An order. It is in force from ``starts_at`` to ``ends_at``, or until somebody ended it: the time itself says so,
    no job has to. An empty part of the target stands for all of them. Written by ``channels.degradation.pins`` alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(_("action"), max_length=16, choices=_ACTIONS)
    channel = models.CharField(_("channel"), max_length=16, blank=True, default="")
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    priority = models.CharField(_("priority"), max_length=8, blank=True, default="")
    category = models.CharField(_("category"), max_length=64, blank=True, default="")
    application = models.CharField(_("application"), max_length=64, blank=True, default="")
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    reason = models.TextField(_("reason"))
    author = models.CharField(_("author"), max_length=150)
    source = models.CharField(_("source"), max_length=8, choices=_SOURCES, default=PinSource.MANUAL.value)
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("pin")
        verbose_name_plural = _("pins")
        ordering = ("-starts_at", "-id")
        constraints = (models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="channels_pin_window"),)
        indexes = (
            models.Index(fields=("ends_at",), name="channels_pin_open", condition=models.Q(ended_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.channel}{self.provider}"
