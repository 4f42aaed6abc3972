"""Who is signed in, where: Django's sessions, with the person they belong to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.sessions.backends.db import SessionStore


class PersonSession(AbstractBaseSession):
    """A session. The columns besides Django's say whose it is; what is in it stays in ``session_data``."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), null=True)
    origin = models.CharField(_("origin"), max_length=64, blank=True)
    agent = models.CharField(_("browser"), max_length=200, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    seen_at = models.DateTimeField(_("last seen at"), null=True)

    class Meta(AbstractBaseSession.Meta):
        default_permissions = ()

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        """The store that keeps its sessions here: the engine of the settings, which is above the models."""
        store: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
        return store
