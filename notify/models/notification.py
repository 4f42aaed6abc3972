"""A notification: what an application asked us to tell one person."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models.application import Application
from notify.models.batch import Batch
from notify.models.template import TemplateVersion


class Route(models.TextChoices):
    """How several channels are used."""

    ALL = "all", _("all at once")
    FIRST = "first", _("one after the other, until one is delivered")


class Notification(models.Model):
    """Written once at acceptance and never changed: its state is that of its deliveries.

    Partitioned by day over ``id`` (a UUIDv7). Foreign keys are kept by the code, not by the database: this is the hot
    path, and partitions are dropped whole.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    batch = models.ForeignKey(
        Batch,
        verbose_name=_("batch"),
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="notifications",
    )
    template_version = models.ForeignKey(
        TemplateVersion,
        verbose_name=_("template version"),
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
    )
    locale = models.CharField(_("locale"), max_length=35, blank=True)
    priority = models.CharField(_("priority"), max_length=8)
    category = models.CharField(_("category"), max_length=64, blank=True)
    route = models.CharField(_("route"), max_length=8, choices=Route)
    channels = ArrayField(models.CharField(max_length=16), verbose_name=_("channels"))
    to = models.JSONField(_("to"))
    params = models.JSONField(_("parameters"))
    content = models.JSONField(_("content"), null=True)
    metadata = models.JSONField(_("metadata"))
    ref = models.CharField(_("reference"), max_length=255, blank=True)
    callback_url = models.CharField(_("callback URL"), max_length=2048, blank=True)
    is_test = models.BooleanField(_("test"))
    request_id = models.CharField(_("request"), max_length=128, blank=True)
    send_at = models.DateTimeField(_("send at"), null=True)
    expires_at = models.DateTimeField(_("expires at"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes = (
            models.Index(fields=("application", "-id"), name="notify_notification_app"),
            models.Index(fields=("batch",), name="notify_notification_batch", condition=models.Q(batch__isnull=False)),
            models.Index(fields=("application", "ref"), name="notify_notification_ref", condition=~models.Q(ref="")),
        )

    def __str__(self) -> str:
        return str(self.id)
