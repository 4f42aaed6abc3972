"""What lists of degradation requests and of runs of plans have in common: both are asked for, decided, and end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import ReadOnlyAdmin, display, label, moment
from admin_portal.models import DegradationRequest, PlanRun

SEVERITY_LOOKS: Final[Mapping[str, str]] = {"low": "normal", "medium": "held", "high": "critical"}


class SteeredAdmin(ReadOnlyAdmin):
    """Their columns. The list's rows have ``place``: 0 for what waits for who looks."""

    @display(description="#")
    def number(self, row: DegradationRequest | PlanRun) -> str:
        return f"#{row.pk}"

    @display(description=_("severity"))
    def shown_severity(self, row: DegradationRequest | PlanRun) -> SafeString:
        return label(SEVERITY_LOOKS[row.severity], row.get_severity_display())

    @display(description=_("requested by"))
    def requester(self, row: DegradationRequest | PlanRun) -> str:
        return row.requested_by.get_username()

    @display(description=_("until"))
    def until(self, row: DegradationRequest | PlanRun) -> str:
        return moment(row.ended_at or row.ends_at)

    @display(description="")
    def mine(self, row: Any) -> SafeString | str:
        return label("held", _("waits for you")) if row.place == 0 else ""
