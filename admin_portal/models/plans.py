"""Plans as they are kept: what is to be done in which order, every run of it with every step, and what approvers said.

A version is never changed: whoever edits a plan writes the next one, and a run keeps the one it began with.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from admin_portal.models.requests import Decision, RequestState, Review, Severity
from admin_portal.models.words import WordsField


class Plan(models.Model):
    """A plan by its name. Written by ``admin_portal.plans.editing``; ``rehearsed_at`` by ``admin_portal.drills``."""

    name = models.SlugField(_("name"), max_length=64, unique=True)
    title = models.CharField(_("title"), max_length=120)
    owner = models.CharField(_("owner"), max_length=150)
    rehearse_every_days = models.PositiveSmallIntegerField(_("to be rehearsed every so many days"), default=90)
    rehearsed_at = models.DateTimeField(_("last rehearsed at"), null=True)
    created_at = models.DateTimeField(_("created at"))
    retired_at = models.DateTimeField(_("retired at"), null=True)
    #: Since when its trigger has been true, as long as it is. Written by ``admin_portal.plans.proposing``.
    triggered_since = models.DateTimeField(_("trigger true since"), null=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        default_permissions = ("view",)
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=Q(rehearse_every_days__range=(1, 3650)), name="portal_plan_rehearsal"),
        )

    def __str__(self) -> str:
        return self.title or self.name


class PlanVersion(models.Model):
    """What a plan says. ``source`` is the text as its author wrote it, ``steps`` and ``trigger`` what it says."""

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    source = models.TextField(_("steps"))
    steps = models.JSONField(_("steps"))
    trigger_source = models.TextField(_("trigger"), blank=True, default="")
    trigger = models.JSONField(_("trigger"), null=True)
    runbook = models.TextField(_("runbook"), blank=True, default="")
    author = models.CharField(_("author"), max_length=150)
    note = models.CharField(_("what changed"), max_length=200, blank=True, default="")
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("version of a plan")
        verbose_name_plural = _("versions of plans")
        default_permissions = ()
        ordering = ("plan", "-number")
        constraints = (models.UniqueConstraint(fields=("plan", "number"), name="portal_plan_version"),)

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class Phase(models.TextChoices):
    """What a run in force is doing; ``admin_portal.plans.progress`` says what leads where."""

    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    HOLDING = "holding", _("all steps done, in force")
    REVERTING = "reverting", _("reverting")
    OVER = "over", _("over")


class RunEnd(models.TextChoices):
    """Why a run that was in force ended."""

    COMPLETED = "completed", _("done, nothing left in force")
    ABORTED = "aborted", _("aborted and reverted")
    EXPIRED = "expired", _("its time was over")


class StepState(models.TextChoices):
    """How far a step is."""

    WAITING = "waiting", _("to come")
    UNDER_WAY = "under_way", _("under way")
    DONE = "done", _("done")
    SKIPPED = "skipped", _("skipped")
    FAILED = "failed", _("failed")
    REVERTED = "reverted", _("reverted")
    LOST = "lost", _("its target is gone")


#: Of these there is one at a time for each plan.
LIVE_STATES = (RequestState.PENDING, RequestState.APPROVED, RequestState.ACTIVE)


class PlanRun(models.Model):
    """One run of one version. It is approved as a whole, like a degradation, and then goes step by step. Written by
    ``admin_portal.plans`` alone, under its lock."""

    form_token = models.UUIDField(_("form"), unique=True, editable=False)
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(PlanVersion, verbose_name=_("version"), on_delete=models.PROTECT, related_name="runs")
    reason = models.TextField(_("reason"))
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    lasts_s = models.PositiveIntegerField(_("lasts, seconds"))
    stranding_confirmed = models.BooleanField(_("it is meant that critical messages have no way"), default=False)
    #: The predicted effect of each action, by the number of its step, as it was when the run was asked for or begun
    #: without approval. None: nobody foresaw it, as of a rehearsal.
    predictions = models.JSONField(_("predicted effect"), null=True)
    #: The drill whose stage it plays on; a run of a drill touches nobody's messages.
    drill_id = models.UUIDField(_("drill"), null=True)

    state = models.CharField(_("state"), max_length=12, choices=RequestState, default=RequestState.PENDING)
    approvals_needed = models.PositiveSmallIntegerField(_("approvals needed"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("requested by"), on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(_("requested at"))
    approve_by = models.DateTimeField(_("to be approved by"))
    phase = models.CharField(_("phase"), max_length=12, choices=Phase, blank=True, default="")
    pause_reason = WordsField(_("why it is paused"), blank=True, default="")
    paused_at = models.DateTimeField(_("paused at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    ends_at = models.DateTimeField(_("ends at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    end = models.CharField(_("how it ended"), max_length=12, choices=RunEnd, blank=True, default="")
    end_reason = WordsField(_("reason of its end"), blank=True, default="")
    ended_by = models.CharField(_("ended by"), max_length=150, blank=True, default="")

    broken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("applied at once by"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
    )
    # With defaults in the database: processes of the former version go on writing runs while this one comes up.
    break_reason = models.TextField(_("why it could not wait"), blank=True, default="", db_default="")
    review = models.CharField(
        _("review"), max_length=8, choices=Review, blank=True, default=Review.NONE, db_default=Review.NONE.value
    )
    review_due_at = models.DateTimeField(_("to be reviewed by"), null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("reviewed by"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True)
    review_reason = models.TextField(_("what the review says"), blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("run of a plan")
        verbose_name_plural = _("runs of plans")
        default_permissions = ("view",)
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("plan",),
                name="portal_plan_runs_once",
                # A rehearsal does not stand in the way of the real thing.
                condition=Q(state__in=("pending", "approved", "active"), drill_id=None),
            ),
            models.CheckConstraint(condition=Q(approvals_needed__lte=2), name="portal_run_needed"),
            models.CheckConstraint(
                condition=~Q(state="active") | (Q(started_at__isnull=False, ends_at__isnull=False) & ~Q(phase="")),
                name="portal_run_in_force",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("started_at")), name="portal_run_window"
            ),
            models.CheckConstraint(condition=Q(phase="over") | Q(end=""), name="portal_run_ended"),
            models.CheckConstraint(condition=Q(review="") | Q(broken_by__isnull=False), name="portal_run_broken"),
        )
        indexes = (
            models.Index(
                fields=("id",), name="portal_run_live", condition=Q(state__in=("pending", "approved", "active"))
            ),
            models.Index(fields=("review_due_at",), name="portal_run_review", condition=Q(review="due")),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.plan}"

    @property
    def is_live(self) -> bool:
        """Whether it waits for something or does something."""
        return self.state in LIVE_STATES


class RunStep(models.Model):
    """How far one step of a run is. ``pin_id`` and ``action`` stand while the step has something in force."""

    run = models.ForeignKey(PlanRun, verbose_name=_("run"), on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(_("position"))
    state = models.CharField(_("state"), max_length=12, choices=StepState, default=StepState.WAITING)
    entered_at = models.DateTimeField(_("entered at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    in_force = models.BooleanField(_("in force"), default=False)
    pin_id = models.UUIDField(_("pin"), null=True, unique=True)
    outcome = WordsField(_("outcome"), blank=True, default="")

    class Meta:
        verbose_name = _("step of a run")
        verbose_name_plural = _("steps of runs")
        default_permissions = ()
        ordering = ("run", "position")
        constraints = (
            models.UniqueConstraint(fields=("run", "position"), name="portal_run_step"),
            models.CheckConstraint(condition=Q(in_force=False) | Q(pin_id__isnull=False), name="portal_step_pinned"),
        )
        indexes = (models.Index(fields=("run",), name="portal_step_in_force", condition=Q(in_force=True)),)

    def __str__(self) -> str:
        return f"{self.run_id}/{self.position}"


class RunApproval(models.Model):
    """What one approver said of a run; ``digest`` is the hash of what they saw of it."""

    run = models.ForeignKey(PlanRun, verbose_name=_("run"), on_delete=models.CASCADE, related_name="approvals")
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("approver"), on_delete=models.PROTECT, related_name="+"
    )
    decision = models.CharField(_("decision"), max_length=8, choices=Decision)
    reason = models.TextField(_("reason"), blank=True, default="")
    digest = models.CharField(_("hash of what was approved"), max_length=64)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("approval of a run")
        verbose_name_plural = _("approvals of runs")
        default_permissions = ()
        ordering = ("at",)
        constraints = (models.UniqueConstraint(fields=("run", "approver"), name="portal_run_approval_once"),)

    def __str__(self) -> str:
        return f"{self.run_id} {self.decision}"


class PlanProposal(models.Model):
    """A plan that its trigger speaks for. It is open until somebody runs or dismisses the plan, or things are well."""

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.CASCADE, related_name="proposals")
    at = models.DateTimeField(_("at"))
    words = WordsField(_("what was seen"))
    closed_at = models.DateTimeField(_("closed at"), null=True)
    closed_by = models.CharField(_("closed by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("proposal of a plan")
        verbose_name_plural = _("proposals of plans")
        default_permissions = ()
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(fields=("plan",), name="portal_proposal_once", condition=Q(closed_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.plan_id} {self.at:%Y-%m-%d %H:%M}"
