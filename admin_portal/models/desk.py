"""What is to be done about hundreds of thousands of dead letters or held messages, portion by portion."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models import Delivery


class JobKind(models.TextChoices):
    """What is done."""

    REPLAY = "replay", _("replay dead letters")
    DISCARD = "discard", _("discard dead letters")
    RESEND = "resend", _("send held messages again")
    MARK_SENT = "mark_sent", _("mark held messages as sent")


class JobState(models.TextChoices):
    """How far it is."""

    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")
    FAILED = "failed", _("failed")


OPEN_STATES = (JobState.WAITING, JobState.RUNNING)


class DeskJob(models.Model):
    """Written by ``admin_portal.desk.jobs`` alone. ``criteria`` were frozen when its author said yes, ``before`` with
    them: what came later is not meant. ``cursor``: the last row that was looked at, in the order of their ids; it and
    the counts are committed with what was done, so that whoever goes on does nothing twice."""

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=JobKind)
    criteria = models.JSONField(_("which"))
    before = models.DateTimeField(_("from before"))
    state = models.CharField(_("state"), max_length=12, choices=JobState, default=JobState.WAITING)
    author = models.CharField(_("author"), max_length=150)
    total = models.PositiveIntegerField(_("in all"))
    done = models.PositiveIntegerField(_("done"), default=0)
    skipped = models.PositiveIntegerField(_("passed over"), default=0)
    cursor = models.UUIDField(_("last looked at"), null=True)
    error = models.TextField(_("error"), blank=True)
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    created_at = models.DateTimeField(_("created at"))
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    ended_by = models.CharField(_("ended by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("job of the desk")
        verbose_name_plural = _("jobs of the desk")
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=("id",), name="portal_job_open", condition=models.Q(state__in=("waiting", "running"))),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OPEN_STATES

    @property
    def looked_at(self) -> int:
        """How many are behind it."""
        return self.done + self.skipped

    @property
    def percent(self) -> int:
        """How far it is, of a hundred."""
        if not self.is_open and self.state == JobState.DONE:
            return 100
        return min(99, 100 * self.looked_at // self.total) if self.total else 0


class HeldDelivery(Delivery):
    """A delivery as the list of held messages shows it."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("held message")
        verbose_name_plural = _("held messages")
