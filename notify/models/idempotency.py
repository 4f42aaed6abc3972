"""Answers given, so that the same question gets the same answer."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class IdempotencyRecord(models.Model):
    """The answer to one Idempotency-Key of one application, written in the transaction that did the work."""

    id = models.BigAutoField(primary_key=True)
    application_id = models.BigIntegerField(_("application"))
    key_hash = models.CharField(_("key hash"), max_length=64)
    request_hash = models.CharField(_("request hash"), max_length=64)
    status_code = models.SmallIntegerField(_("status code"))
    body = models.JSONField(_("body"), null=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = (models.UniqueConstraint(fields=("application_id", "key_hash"), name="notify_idempotency_key"),)
        indexes = (models.Index(fields=("created_at",), name="notify_idempotency_age"),)

    def __str__(self) -> str:
        return self.key_hash[:12]
