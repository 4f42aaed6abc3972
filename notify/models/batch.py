"""Many recipients, one message."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models.application import Application


class Batch(models.Model):
    """A batch: what its notifications have in common is stored here once, and never changed."""

    id = models.UUIDField(primary_key=True, editable=False)
    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.PROTECT, related_name="batches"
    )
    content = models.JSONField(_("content"), null=True, blank=True)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    accepted = models.PositiveIntegerField(_("accepted"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    created_at = models.DateTimeField(_("created at"))
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = (models.Index(fields=("application", "-id"), name="notify_batch_application"),)

    def __str__(self) -> str:
        return str(self.id)
