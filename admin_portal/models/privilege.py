"""What people may be allowed to do here beyond Django's view, add, change and delete. No tables."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

VIEW_PERSONAL_DATA = "admin_portal.view_personal_data"


class Privilege(models.Model):  # noqa: DJ008  (never instantiated: it only carries permissions)
    """Carries the permissions that belong to no table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("view_personal_data", "Can see addresses, parameters and content unmasked"),
            ("view_board", "Can see the live board"),
            ("request_degradation", "Can request a degradation"),
            ("approve_degradation", "Can approve a degradation that somebody else requested"),
            ("break_glass", "Can apply a degradation at once, to be reviewed afterwards"),
            ("edit_plan", "Can write plans"),
            ("run_plan", "Can run plans"),
            ("run_drill", "Can run drills"),
            ("resolve_held", "Can decide on held messages"),
            ("export_audit", "Can export the audit"),
        )
        verbose_name = _("privilege")
        verbose_name_plural = _("privileges")
