"""The stage of a drill: which channels are played, for whose messages, what goes wrong there, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from channels.names import FaultKind

_FAULTS: Final = {
    FaultKind.NONE.value: _("nothing"),
    FaultKind.ERRORS.value: _("errors"),
    FaultKind.LATENCY.value: _("latency"),
    FaultKind.HANG.value: _("no answer"),
    FaultKind.RECEIPTS_STOP.value: _("receipts stop"),
    FaultKind.OUTAGE.value: _("outage of the channel"),
}

#: A drill that nobody ends is over after this time at the latest.
_LONGEST: Final = timedelta(hours=2)


class Stage(models.Model):
    """It is there from ``opens_at`` to ``closes_at``, or until it was closed, and its fault from ``faulty_from`` to
    ``faulty_until``: the time itself says so, no job has to. Written by ``channels.stages`` alone."""

    id = models.UUIDField(primary_key=True, editable=False)
    channels = ArrayField(models.CharField(max_length=16), verbose_name=_("channels"))
    #: Of test keys' messages, from 0 to 1; those of ``application`` all come here.
    share = models.FloatField(_("share of test keys' messages"), default=0.0)
    application = models.CharField(_("application"), max_length=64, blank=True, default="")
    fault = models.CharField(_("fault"), max_length=16, choices=_FAULTS)
    provider = models.CharField(_("provider"), max_length=64, blank=True, default="")
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    opens_at = models.DateTimeField(_("opens at"))
    faulty_from = models.DateTimeField(_("faulty from"))
    faulty_until = models.DateTimeField(_("faulty until"))
    closes_at = models.DateTimeField(_("closes at"))
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        verbose_name = _("stage of a drill")
        verbose_name_plural = _("stages of drills")
        default_permissions = ()
        constraints = (
            models.CheckConstraint(condition=Q(share__range=(0.0, 1.0)), name="channels_stage_share"),
            models.CheckConstraint(
                condition=Q(faulty_from__gte=F("opens_at"), faulty_until__gt=F("faulty_from"))
                & Q(closes_at__gte=F("faulty_until")),
                name="channels_stage_window",
            ),
            models.CheckConstraint(
                condition=Q(closes_at__lte=F("opens_at") + models.Value(_LONGEST)),
                name="channels_stage_ends",
            ),
            # One stage at a time: two drills would play each other's providers. One that was closed before it opened
            # is in nobody's way, and has no range.
            ExclusionConstraint(
                name="channels_stage_alone",
                expressions=[
                    (
                        Func(
                            F("opens_at"),
                            Coalesce(F("closed_at"), F("closes_at")),
                            function="TSTZRANGE",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    )
                ],
                condition=Q(closed_at__isnull=True) | Q(closed_at__gt=F("opens_at")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.fault} {', '.join(self.channels)}"
