"""Which of our roles there are, and what they were given so far."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.Model):
    """A role that was made as a group. Written by ``admin_portal.access.roles`` alone.

    What a role was given once is remembered, and never given again: what administrators take away stays away, and a
    group that they delete does not come back."""

    name = models.CharField(_("name"), max_length=32, primary_key=True)
    group = models.OneToOneField(Group, models.SET_NULL, verbose_name=_("group"), null=True)
    given = ArrayField(models.CharField(max_length=200), verbose_name=_("permissions given so far"), default=list)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
