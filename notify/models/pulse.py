"""When each lane was last seen moving."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class LanePulse(models.Model):
    """One row a lane, written at most once a second: the lifeboat takes over where work is due and no pulse is felt."""

    lane = models.CharField(_("lane"), max_length=24, primary_key=True)
    seen_at = models.DateTimeField(_("seen at"))
    worker = models.CharField(_("worker"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("lane pulse")
        verbose_name_plural = _("lane pulses")

    def __str__(self) -> str:
        return self.lane
