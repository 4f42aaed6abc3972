"""The form in which a plan is written: what somebody writes, turned into a draft and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from admin_portal.forms import Form, code_widget
from admin_portal.models import Plan, PlanVersion
from admin_portal.plans.editing import Draft
from admin_portal.steering.errors import Fault

_STEPS: Final = "- do: shed_bulk\n  target: channel:email\n- wait: 2m"
_TRIGGER: Final = "{metric: success_rate, target: channel:sms, below: 0.9, for: 1m}"


class PlanForm(Form):
    """A plan as somebody writes it. What it says is checked by ``plans.editing`` alone: here only what is written.
    ``version``: the one that is edited; nothing for a new plan."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**31 - 1)
    name = forms.CharField(
        label=_("name"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Letters, digits, hyphens and underscores only, at most 64."),
    )
    title = forms.CharField(label=_("title"), required=False, widget=UnfoldAdminTextInputWidget)
    owner = forms.CharField(
        label=_("owner"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The user who answers for it."),
    )
    steps = forms.CharField(
        label=_("steps"),
        required=False,
        strip=False,
        widget=code_widget(rows=14, placeholder=_STEPS),
        help_text=_("YAML: a list of do, undo, wait, check and ask, in their order."),
    )
    trigger = forms.CharField(
        label=_("trigger"),
        required=False,
        widget=code_widget(rows=2, placeholder=_TRIGGER),
        help_text=_("A condition that proposes the plan. It never runs it. Empty: none."),
    )
    runbook = forms.CharField(
        label=_("runbook"),
        required=False,
        strip=False,
        widget=code_widget(rows=10),
        help_text=_("Markdown. It is shown beside the buttons."),
    )
    rehearse_every_days = forms.IntegerField(
        label=_("to be rehearsed every so many days"),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    note = forms.CharField(label=_("what changed"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["version" if is_new else "name"]
        if is_new:
            del self.fields["note"]

    def draft(self) -> Draft:
        """What this valid form says."""
        data = self.cleaned_data
        return Draft(
            title=data["title"],
            owner=data["owner"],
            source=data["steps"],
            trigger=data["trigger"],
            runbook=data["runbook"],
            rehearse_every_days=data["rehearse_every_days"],
            note=data.get("note", ""),
        )

    def show(self, faults: Iterable[Fault]) -> None:
        """Puts ``faults`` beside their fields."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, str(fault))


def fresh(owner: str) -> dict[str, Any]:
    """What a new plan begins with."""
    return {"owner": owner, "rehearse_every_days": 90}


def initial_of(plan: Plan, version: PlanVersion) -> dict[str, Any]:
    """A plan as the form shows it."""
    return {
        "version": version.number,
        "title": plan.title,
        "owner": plan.owner,
        "steps": version.source,
        "trigger": version.trigger_source,
        "runbook": version.runbook,
        "rehearse_every_days": plan.rehearse_every_days,
    }
