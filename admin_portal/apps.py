"""The room for people."""

from datetime import datetime

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from notify import signals


class AdminPortalConfig(AppConfig):
    name = "admin_portal"
    verbose_name = _("Operations")

    def ready(self) -> None:
        """In every process: whoever changes something, here or in the rooms below, it is written down."""
        from admin_portal.access import roles, sessions
        from admin_portal.audit import receivers

        receivers.connect()
        roles.connect()
        sessions.connect()
        signals.tick.connect(_steer, dispatch_uid="admin_portal.steer")


def _steer(*, now: datetime, **_kwargs: object) -> None:
    """In the lifeboat: what falls due, also when no worker is there to do it."""
    from admin_portal import tasks

    tasks.steer_once(now=now)
