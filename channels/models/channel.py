"""A channel's standing orders."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class OutcomeUnknownPolicy(models.TextChoices):
    """What to do with a message that may or may not have been sent."""

    RESEND = "resend", _("Send again (a duplicate is better than a loss)")
    HOLD = "hold", _("Hold for a person (a loss is better than a duplicate)")
    REPORT = "report", _("Wait for the provider's report, then send again (nobody is told twice)")


class Channel(models.Model):
    """One of the seven ways to a person. A channel without a row here has the defaults below."""

    name = models.CharField(_("name"), max_length=16, primary_key=True)
    fallback = ArrayField(
        models.CharField(max_length=16),
        verbose_name=_("fallback channels"),
        default=list,
        blank=True,
        help_text=_("Where messages may go, in this order, while this channel is degraded."),
    )
    outcome_unknown = models.CharField(
        _("when the outcome is unknown"),
        max_length=8,
        choices=OutcomeUnknownPolicy,
        default=OutcomeUnknownPolicy.RESEND,
        help_text=_(
            "Reports are waited for where the provider has “report_within_s”. With others such a message is held."
        ),
    )
    step_deadline_s = models.PositiveIntegerField(
        _("step deadline, seconds"),
        default=60,
        help_text=_("With route “first”, how long this channel may try before the next one is taken."),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")

    def __str__(self) -> str:
        return self.name
