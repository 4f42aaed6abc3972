"""Who may send: applications and their keys."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from channels.encryption import EncryptedJSONField
from channels.models.provider import validate_rate

validate_name = RegexValidator(
    r"^[a-z0-9][a-z0-9_-]{0,63}$", _("Use lower-case letters, digits, hyphens and underscores.")
)


class Tier(models.TextChoices):
    """How large an application's share of a lane is when others wait there too."""

    VIP = "vip", _("VIP")
    STANDARD = "standard", _("Standard")


class Scope(models.TextChoices):
    """What a key may do. ``send`` and ``read`` cover everything; the others are for keys that may do one thing."""

    SEND = "send", _("Send, and change what is the application's own")
    READ = "read", _("Read")
    TEMPLATES = "templates", _("Only write templates")
    DEAD_LETTERS = "dead_letters", _("Only replay and discard dead letters")


class Application(models.Model):
    """One of the company's applications."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[validate_name])
    tier = models.CharField(_("tier"), max_length=16, choices=Tier, default=Tier.STANDARD)
    channels = ArrayField(
        models.CharField(max_length=16),
        verbose_name=_("allowed channels"),
        default=list,
        blank=True,
        help_text=_("Empty: every channel."),
    )
    rate_limit = models.CharField(
        _("rate limit"),
        max_length=16,
        blank=True,
        validators=[validate_rate],
        help_text=_("Recipients accepted, such as 500/s. Empty: no limit."),
    )
    daily_quota = models.PositiveBigIntegerField(
        _("daily quota"), null=True, blank=True, help_text=_("Recipients accepted a day (UTC). Empty: no limit.")
    )
    allowed_ips = ArrayField(
        models.CharField(max_length=64),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("IP addresses or networks that its keys may be used from. Empty: anywhere."),
    )
    share = models.PositiveIntegerField(
        _("share of a lane"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Its weight when several applications wait in one lane. Empty: by tier."),
    )
    signing_secret = EncryptedJSONField(_("callback signing secret"), null=True, blank=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A key of an application. The key itself is shown once; here are its hash and the prefix people know it by."""

    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.CASCADE, related_name="keys"
    )
    name = models.CharField(_("name"), max_length=64, blank=True)
    prefix = models.CharField(_("prefix"), max_length=24, unique=True, editable=False)
    hash = models.CharField(_("hash"), max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope), verbose_name=_("scopes"), default=list)
    is_test = models.BooleanField(
        _("test key"), default=False, help_text=_("What it sends only ever reaches the sandbox.")
    )
    allowed_ips = ArrayField(
        models.CharField(max_length=64), verbose_name=_("allowed addresses"), default=list, blank=True
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.prefix}…"
