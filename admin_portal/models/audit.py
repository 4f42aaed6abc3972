"""The audit: what was changed by whom, from where, why. Rows are written once, by ``admin_portal.audit.recording``."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One change. The database refuses to update, delete or truncate (triggers of the migration), and each entry's
    hash covers its content and the hash before it: what is altered nevertheless is found by ``manage.py
    verify_audit``."""

    #: 1, 2, 3, … without a gap: a missing number is a removed entry. A sequence would leave gaps when it rolls back.
    number = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("time"))
    actor = models.CharField(_("actor"), max_length=150)
    origin = models.CharField(_("origin"), max_length=64, blank=True)
    request_id = models.CharField(_("request id"), max_length=128, blank=True)
    action = models.CharField(_("action"), max_length=64)
    target = models.CharField(_("target"), max_length=255)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)
    reason = models.TextField(_("reason"), blank=True)
    approved_by = ArrayField(models.CharField(max_length=150), verbose_name=_("approved by"), default=list)
    previous_hash = models.CharField(_("previous hash"), max_length=64, blank=True)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ("view",)
        ordering = ("-number",)
        indexes = (
            models.Index(fields=("at",), name="portal_audit_at"),
            models.Index(fields=("actor", "-number"), name="portal_audit_actor"),
            models.Index(fields=("action", "-number"), name="portal_audit_action"),
            models.Index(fields=("target", "-number"), name="portal_audit_target"),
        )

    def __str__(self) -> str:
        return f"{self.number}: {self.action} {self.target}"
