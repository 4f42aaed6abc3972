"""Manual degradation as it is kept: requests, what approvers said of them, how many it takes, and who was told."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from admin_portal.models.words import WordsField


class RequestState(models.TextChoices):
    """Where a request is; ``admin_portal.steering.approval`` says what leads where."""

    DRAFT = "draft", _("draft")
    PENDING = "pending", _("waiting for approval")
    APPROVED = "approved", _("approved")
    ACTIVE = "active", _("in force")
    ENDED = "ended", _("ended")
    REJECTED = "rejected", _("rejected")
    WITHDRAWN = "withdrawn", _("withdrawn")
    LAPSED = "lapsed", _("lapsed")


class EndCause(models.TextChoices):
    """Why something that was in force, or on its way, ended."""

    EXPIRED = "expired", _("its time was over")
    REVERTED = "reverted", _("ended by a person")
    SUPERSEDED = "superseded", _("replaced by another request")
    TARGET_GONE = "target_gone", _("its target no longer exists")


class Severity(models.TextChoices):
    """How much harm it does to people while it lasts."""

    LOW = "low", _("low")
    MEDIUM = "medium", _("medium")
    HIGH = "high", _("high")


class ActionKind(models.TextChoices):
    """What is done; ``admin_portal.steering.actions`` says to what."""

    DISABLE_PROVIDER = "disable_provider", _("Disable a provider")
    SET_WEIGHTS = "set_weights", _("Set weights")
    SWITCH_CHANNEL = "switch_channel", _("Switch to another channel")
    SHED_BULK = "shed_bulk", _("Hold bulk back")
    THROTTLE = "throttle", _("Throttle")
    PAUSE = "pause", _("Pause and hold")


class Review(models.TextChoices):
    """What became of a break-glass afterwards."""

    NONE = "", _("none needed")
    DUE = "due", _("to be reviewed")
    REVIEWED = "reviewed", _("reviewed")
    REJECTED = "rejected", _("rejected")


class DegradationRequest(models.Model):
    """What somebody asks for. Its state is written by ``admin_portal.steering.requests`` alone.

    ``version`` counts changes of what is asked for: an approval is of one version. ``form_token`` is the form's that it
    came from: a form that is sent twice makes one request."""

    form_token = models.UUIDField(_("form"), unique=True, editable=False)
    kind = models.CharField(_("action"), max_length=24, choices=ActionKind)
    target = models.CharField(_("target"), max_length=80)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    reason = models.TextField(_("reason"))
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends at"))
    supersedes = models.ForeignKey(
        "self", verbose_name=_("replaces"), on_delete=models.PROTECT, null=True, blank=True, related_name="successors"
    )
    stranding_confirmed = models.BooleanField(_("it is meant that critical messages have no way"), default=False)
    prediction = models.JSONField(_("predicted effect"), default=dict, blank=True)

    state = models.CharField(_("state"), max_length=12, choices=RequestState, default=RequestState.DRAFT)
    version = models.PositiveIntegerField(_("version"), default=1)
    approvals_needed = models.PositiveSmallIntegerField(_("approvals needed"), default=1)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("requested by"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"))
    submitted_at = models.DateTimeField(_("submitted at"), null=True)
    approve_by = models.DateTimeField(_("to be approved by"), null=True)
    approved_at = models.DateTimeField(_("approved at"), null=True)
    applied_at = models.DateTimeField(_("applied at"), null=True)
    pin_id = models.UUIDField(_("pin"), null=True, unique=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    end_cause = models.CharField(_("why it ended"), max_length=12, choices=EndCause, blank=True, default="")
    end_reason = WordsField(_("reason of its end"), blank=True, default="")
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("ended by"), on_delete=models.PROTECT, null=True, related_name="+"
    )

    broken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("applied at once by"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
    )
    break_reason = models.TextField(_("why it could not wait"), blank=True, default="")
    review = models.CharField(_("review"), max_length=8, choices=Review, blank=True, default=Review.NONE)
    review_due_at = models.DateTimeField(_("to be reviewed by"), null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("reviewed by"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True)
    review_reason = models.TextField(_("what the review says"), blank=True, default="")

    class Meta:
        verbose_name = _("degradation request")
        verbose_name_plural = _("degradation requests")
        default_permissions = ("view",)
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__gt=F("starts_at")), name="portal_request_window"
            ),
            models.CheckConstraint(condition=Q(approvals_needed__lte=2), name="portal_request_needed"),
            models.CheckConstraint(
                condition=~Q(state="active") | Q(pin_id__isnull=False, applied_at__isnull=False),
                name="portal_request_pinned",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended") | (~Q(end_cause="") & Q(ended_at__isnull=False)),
                name="portal_request_ended",
            ),
            models.CheckConstraint(
                condition=Q(review="") | Q(broken_by__isnull=False), name="portal_request_review_of_break"
            ),
        )
        indexes = (
            models.Index(fields=("ends_at",), name="portal_request_active", condition=Q(state="active")),
            models.Index(fields=("starts_at",), name="portal_request_approved", condition=Q(state="approved")),
            models.Index(fields=("approve_by",), name="portal_request_pending", condition=Q(state="pending")),
            models.Index(fields=("review_due_at",), name="portal_request_review", condition=Q(review="due")),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_kind_display()}: {self.target.partition(':')[2]}"


class Decision(models.TextChoices):
    """What an approver said."""

    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")


class Approval(models.Model):
    """What one approver said of one version of a request; ``digest`` is the hash of what that version asks for."""

    request = models.ForeignKey(
        DegradationRequest, verbose_name=_("request"), on_delete=models.CASCADE, related_name="approvals"
    )
    version = models.PositiveIntegerField(_("version"))
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("approver"), on_delete=models.PROTECT, related_name="+"
    )
    decision = models.CharField(_("decision"), max_length=8, choices=Decision)
    reason = models.TextField(_("reason"), blank=True, default="")
    digest = models.CharField(_("digest"), max_length=64)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        default_permissions = ()
        ordering = ("at", "id")
        constraints = (models.UniqueConstraint(fields=("request", "version", "approver"), name="portal_approval_once"),)

    def __str__(self) -> str:
        return f"{self.request_id}/{self.version}: {self.decision}"


class ApprovalRule(models.Model):
    """How many approvers an action takes, where it is not to be the default."""

    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    kind = models.CharField(_("action"), max_length=24, choices=ActionKind)
    approvals = models.PositiveSmallIntegerField(
        _("approvals"),
        choices=((0, _("none: applied at once, and logged")), (1, _("one approver")), (2, _("two distinct approvers"))),
    )

    class Meta:
        verbose_name = _("approval rule")
        verbose_name_plural = _("approval rules")
        constraints = (
            models.UniqueConstraint(fields=("severity", "kind"), name="portal_rule_once"),
            models.CheckConstraint(condition=Q(approvals__lte=2), name="portal_rule_approvals"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_severity_display()}"

    @property
    def name(self) -> str:
        """As the audit names it."""
        return f"{self.kind}/{self.severity}"


class Occasion(models.TextChoices):
    """Why somebody is called."""

    APPROVAL = "approval", _("a request waits for approval")
    BREAK_GLASS = "break_glass", _("a degradation was applied without approval")
    OVERDUE = "overdue", _("a review is overdue")


class Summons(models.Model):
    """One call to one approver (or, without a person, to the configured webhook), about a request or a run of a plan:
    written together with what it tells of, sent afterwards by ``admin_portal.steering.paging``, and tried again until
    it is. ``version``: of the request; a run's is always 1."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(
        DegradationRequest, verbose_name=_("request"), on_delete=models.CASCADE, null=True, related_name="summonses"
    )
    run = models.ForeignKey(
        "admin_portal.PlanRun", verbose_name=_("run"), on_delete=models.CASCADE, null=True, related_name="summonses"
    )
    version = models.PositiveIntegerField(_("version"))
    occasion = models.CharField(_("occasion"), max_length=12, choices=Occasion)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("person"), on_delete=models.CASCADE, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"))
    try_at = models.DateTimeField(_("to be tried at"))
    tries = models.PositiveIntegerField(_("tries"), default=0)
    settled_at = models.DateTimeField(_("settled at"), null=True)
    notification_id = models.UUIDField(_("notification"), null=True)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        verbose_name = _("call to an approver")
        verbose_name_plural = _("calls to approvers")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("request", "version", "occasion", "person"),
                name="portal_summons_request_once",
                nulls_distinct=False,
                condition=Q(request__isnull=False),
            ),
            models.UniqueConstraint(
                fields=("run", "version", "occasion", "person"),
                name="portal_summons_run_once",
                nulls_distinct=False,
                condition=Q(run__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(request__isnull=True) ^ Q(run__isnull=True), name="portal_summons_about_one"
            ),
        )
        indexes = (models.Index(fields=("try_at",), name="portal_summons_due", condition=Q(settled_at__isnull=True)),)

    def __str__(self) -> str:
        return f"{self.occasion} {self.request_id or f'run {self.run_id}'}"
