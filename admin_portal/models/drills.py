"""Drills as they are kept: what is rehearsed and what is expected of it, and every run with what was measured."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from admin_portal.models.plans import Plan, PlanRun, PlanVersion
from admin_portal.models.words import WordsField


class Drill(models.Model):
    """A drill by its name. ``terms``: what goes wrong, under which load, and what is expected, as
    ``admin_portal.drills.terms`` writes it; a run keeps the terms it began with. ``next_at``: when its schedule starts
    it next. Written by ``admin_portal.drills`` alone."""

    name = models.SlugField(_("name"), max_length=64, unique=True)
    title = models.CharField(_("title"), max_length=120)
    owner = models.CharField(_("owner"), max_length=150)
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), null=True, on_delete=models.PROTECT, related_name="drills")
    terms = models.JSONField(_("terms"))
    every_days = models.PositiveSmallIntegerField(_("every so many days"), null=True)
    at = models.TimeField(_("at"), null=True)
    next_at = models.DateTimeField(_("next at"), null=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("author"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"))
    changed_at = models.DateTimeField(_("changed at"))
    retired_at = models.DateTimeField(_("retired at"), null=True)

    class Meta:
        verbose_name = _("drill")
        verbose_name_plural = _("drills")
        default_permissions = ("view",)
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(every_days=None, at=None, next_at=None) | Q(every_days__range=(1, 3650), at__isnull=False),
                name="portal_drill_schedule",
            ),
        )

    def __str__(self) -> str:
        return self.title or self.name


class DrillPhase(models.TextChoices):
    """How far a run of a drill is; ``admin_portal.drills.progress`` says what leads where."""

    WAITING = "waiting", _("about to begin")
    OPENED = "opened", _("the stage is open")
    LOADED = "loaded", _("messages flow, nothing is wrong yet")
    FAULTY = "faulty", _("something goes wrong")
    RECOVERING = "recovering", _("the fault is over")
    MEASURED = "measured", _("measured")
    REPORTED = "reported", _("over, with its report")


class DrillOutcome(models.TextChoices):
    """How it ended."""

    PASSED = "passed", _("passed")
    FAILED = "failed", _("failed")
    ABORTED = "aborted", _("aborted and restored")
    INTERRUPTED = "interrupted", _("interrupted and restored")


#: The moment each phase began is kept under this name.
MOMENTS: Final = {
    DrillPhase.WAITING: "asked_at",
    DrillPhase.OPENED: "opened_at",
    DrillPhase.LOADED: "loaded_at",
    DrillPhase.FAULTY: "faulty_at",
    DrillPhase.RECOVERING: "recovering_at",
    DrillPhase.MEASURED: "measured_at",
    DrillPhase.REPORTED: "reported_at",
}


class DrillRun(models.Model):
    """One run; its id is that of its stage. ``terms`` and ``plan_version`` are those of the drill when it was started,
    whatever is edited meanwhile. What is planned (``faulty_from`` to ``closes_at``) is settled when the stage opens,
    which goes by it also when nobody drives the run any more. ``driven_until``: up to when its load was sent. Written
    by ``admin_portal.drills`` alone, with the row locked."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    form_token = models.UUIDField(_("form"), unique=True, editable=False)
    drill = models.ForeignKey(Drill, verbose_name=_("drill"), on_delete=models.PROTECT, related_name="runs")
    plan_version = models.ForeignKey(
        PlanVersion, verbose_name=_("version"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    plan_run = models.ForeignKey(
        PlanRun, verbose_name=_("run of the plan"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    terms = models.JSONField(_("terms"))
    channels = ArrayField(models.CharField(max_length=16), verbose_name=_("channels"), default=list)
    started_by = models.CharField(_("started by"), max_length=150)
    is_scheduled = models.BooleanField(_("by its schedule"), default=False)
    phase = models.CharField(_("phase"), max_length=12, choices=DrillPhase, default=DrillPhase.WAITING)
    is_live = models.BooleanField(_("under way"), default=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=DrillOutcome, blank=True, default="")

    asked_at = models.DateTimeField(_("asked at"))
    opened_at = models.DateTimeField(_("opened at"), null=True)
    loaded_at = models.DateTimeField(_("under load since"), null=True)
    faulty_at = models.DateTimeField(_("faulty since"), null=True)
    recovering_at = models.DateTimeField(_("recovering since"), null=True)
    measured_at = models.DateTimeField(_("measured at"), null=True)
    reported_at = models.DateTimeField(_("reported at"), null=True)

    faulty_from = models.DateTimeField(_("faulty from"), null=True)
    faulty_until = models.DateTimeField(_("faulty until"), null=True)
    load_until = models.DateTimeField(_("load until"), null=True)
    closes_at = models.DateTimeField(_("closes at"), null=True)
    driven_until = models.DateTimeField(_("driven until"), null=True)
    longest_gap_s = models.FloatField(_("longest time that nobody drove it, seconds"), default=0.0)
    refused = models.PositiveIntegerField(_("messages that were not accepted"), default=0)

    ended_by = models.CharField(_("ended by"), max_length=150, blank=True, default="")
    end_reason = WordsField(_("reason of its end"), blank=True, default="")
    figures = models.JSONField(_("figures"), null=True)
    findings = models.JSONField(_("findings"), default=list, blank=True)
    follow_ups = models.TextField(_("follow-ups"), blank=True, default="")

    class Meta:
        verbose_name = _("run of a drill")
        verbose_name_plural = _("runs of drills")
        default_permissions = ("view",)
        ordering = ("-asked_at",)
        constraints = (
            # One at a time: two drills would play each other's providers.
            models.UniqueConstraint(fields=("is_live",), name="portal_drill_alone", condition=Q(is_live=True)),
            models.CheckConstraint(
                condition=Q(is_live=True) & ~Q(phase="reported") | Q(is_live=False, phase="reported") & ~Q(outcome=""),
                name="portal_drill_over",
            ),
        )
        indexes = (models.Index(fields=("drill", "-asked_at"), name="portal_drill_runs"),)

    def __str__(self) -> str:
        return f"{self.drill} {self.asked_at:%Y-%m-%d %H:%M}"
