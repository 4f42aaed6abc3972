"""Templates: a key, and the versions that were ever sent with it."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from notify.models.application import Application

validate_key = RegexValidator(r"^[a-z0-9][a-z0-9._-]{0,127}$", _("Use lower-case letters, digits, “.”, “_” and “-”."))


class Template(models.Model):
    """A template of one application, or, without one, of the whole company."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="templates",
        help_text=_("Empty: every application may use it."),
    )
    key = models.CharField(_("key"), max_length=128, validators=[validate_key])
    category = models.CharField(_("category"), max_length=64, blank=True)
    current = models.ForeignKey(
        "TemplateVersion",
        verbose_name=_("current version"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        constraints = (
            models.UniqueConstraint(fields=("application", "key"), name="notify_template_key", nulls_distinct=False),
        )

    def __str__(self) -> str:
        return self.key


class TemplateVersion(models.Model):
    """What a template said at one time. Never changed: a notification pins the version it was accepted with.

    ``contents`` is ``{channel: {locale: {"subject", "text", "html"}}}``; ``required`` and ``optional`` are, for each
    channel and locale (``"sms/zh-CN"``), the names of the variables found in it.
    """

    template = models.ForeignKey(
        Template, verbose_name=_("template"), on_delete=models.CASCADE, related_name="versions"
    )
    number = models.PositiveIntegerField(_("version"))
    contents = models.JSONField(_("contents"))
    default_locale = models.CharField(_("default locale"), max_length=35, default="en")
    variables = models.JSONField(_("variables"), default=dict)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    author = models.CharField(_("author"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        constraints = (models.UniqueConstraint(fields=("template", "number"), name="notify_template_version"),)

    def __str__(self) -> str:
        return f"{self.template.key} v{self.number}"
