"""The in-app inbox: the one channel whose far end is ours."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class InboxMessage(models.Model):
    """A message in a user's inbox. Its id is the delivery's, so that a second attempt changes nothing."""

    id = models.UUIDField(primary_key=True, editable=False)
    application = models.CharField(_("application"), max_length=64)
    user_id = models.CharField(_("user"), max_length=255)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    text = models.TextField(_("text"))
    html = models.TextField(_("HTML"), blank=True)
    category = models.CharField(_("category"), max_length=64, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"))
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)

    class Meta:
        verbose_name = _("inbox message")
        verbose_name_plural = _("inbox messages")
        indexes = (models.Index(fields=("application", "user_id", "-id"), name="channels_inbox_user"),)

    def __str__(self) -> str:
        return str(self.id)
