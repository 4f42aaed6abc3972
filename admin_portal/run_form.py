"""The form in which a run of a plan is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from admin_portal.forms import Form
from admin_portal.plans.requests import Wish
from admin_portal.request_form import LASTS
from admin_portal.steering import checking
from admin_portal.steering.approval import Severity
from admin_portal.steering.errors import Fault

#: A run's end is counted from its beginning: no time of one's own.
_LASTS: Final = tuple(one for one in LASTS if one[0].isdecimal())


class RunForm(Form):
    """Why, how bad it is, and for how long. ``token``: one form asks for one run. ``version``: of the plan, as the page
    showed it."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    severity = forms.ChoiceField(
        label=_("severity"),
        choices=Severity.choices,
        initial=Severity.MEDIUM,
        widget=UnfoldAdminSelectWidget,
        help_text=_("How much it hurts people while it lasts. It decides how many have to approve it."),
    )
    reason = forms.CharField(
        label=_("reason"),
        max_length=checking.LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("What you see, and what this is to achieve. Approvers decide by it."),
    )
    lasts = forms.ChoiceField(
        label=_("lasts"),
        choices=_LASTS,
        initial="60",
        widget=UnfoldAdminSelectWidget,
        help_text=_("From its beginning. Whatever its steps put in force ends by then at the latest."),
    )

    def wish(self, *, stranding_confirmed: bool) -> Wish:
        """What this valid form asks for."""
        data = self.cleaned_data
        return Wish(
            version=data["version"],
            reason=data["reason"],
            severity=Severity(data["severity"]),
            lasts=timedelta(minutes=int(data["lasts"])),
            stranding_confirmed=stranding_confirmed,
        )

    def show(self, faults: Iterable[Fault]) -> None:
        """Puts ``faults`` beside their fields."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, str(fault))


def fresh(version: int) -> dict[str, Any]:
    """What a new form begins with."""
    return {"token": uuid4(), "version": version, "severity": Severity.MEDIUM, "lasts": "60"}
