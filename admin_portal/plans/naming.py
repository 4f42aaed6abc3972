"""What plans and drills are called, and who answers for them: the same rules for both."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.translation import gettext as _

from admin_portal.plans import source
from admin_portal.steering.errors import Fault

_LONGEST_NAME: Final = 64


def faults_of_name(name: str) -> list[Fault]:
    """What is wrong with it, whoever else has it."""
    words = _("Letters, digits, hyphens and underscores only, at most 64.")
    try:
        validate_slug(name)
    except ValidationError:
        return [Fault("name", "not_a_slug", words)]
    return [Fault("name", "too_long", words)] if len(name) > _LONGEST_NAME else []


def faults_of_owner(owner: str) -> list[Fault]:
    """It has to be somebody who can be told."""
    if not source.is_storable(owner):
        return [source.unstorable("owner")]
    if not User.objects.filter(username=owner, is_active=True).exists():
        text = _("There is no user “%(name)s”.") % {"name": source.shown(owner)}
        return [Fault("owner", "unknown", text)]
    return []
