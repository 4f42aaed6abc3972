"""How deep each lane was when it was last measured."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class LaneLoad(models.Model):
    """One row a lane that ever was deep, written by whoever sweeps: requests are taken or refused by it. Times are the
    database's."""

    lane = models.CharField(_("lane"), max_length=24, primary_key=True)
    depth = models.PositiveIntegerField(_("depth"))
    capped = models.BooleanField(_("not counted further"), default=False)
    per_second = models.FloatField(_("drained a second"), null=True)
    measured_at = models.DateTimeField(_("measured at"))
    again_at = models.DateTimeField(_("to be measured again at"))

    class Meta:
        verbose_name = _("lane load")
        verbose_name_plural = _("lane loads")

    def __str__(self) -> str:
        return self.lane
