"""Policies: by which figures providers and channels are judged."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError as PydanticError
from unfold.widgets import UnfoldAdminSelectWidget

from admin_portal.admin.base import ModelAdmin, display, moment
from admin_portal.forms import JsonField, ModelForm
from channels.entries import PolicyEntry
from channels.models import Policy, Provider
from channels.names import CHANNELS


def targets() -> list[tuple[str, str]]:
    """Whatever a policy can be about: every channel and every provider."""
    names = [f"channel:{name}" for name in CHANNELS]
    names += [f"provider:{name}" for name in Provider.objects.order_by("name").values_list("name", flat=True)]
    return [(name, name) for name in names]


class PolicyForm(ModelForm):
    """A policy."""

    target = forms.ChoiceField(label=_("target"), choices=targets, widget=UnfoldAdminSelectWidget)
    rules = JsonField(label=_("rules"), rows=20, initial=lambda: PolicyEntry(target="channel:email").rules)

    class Meta:
        model = Policy
        fields = ("target", "rules")

    def clean_rules(self) -> dict[str, Any]:
        """The rules as a configuration file would have them, with the defaults spelled out."""
        rules = self.cleaned_data["rules"]
        target = self.cleaned_data.get("target") or self.instance.target or "channel:email"
        if not isinstance(rules, dict):
            raise ValidationError(_("Write a JSON object: {…}."), code="object")
        try:
            return PolicyEntry.model_validate({**rules, "target": target}).rules
        except PydanticError as error:
            faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
            raise ValidationError([f"{path}: {detail}" for path, detail in faults]) from None


@admin.register(Policy)
class PolicyAdmin(ModelAdmin):
    """Policies."""

    form = PolicyForm
    list_display = ("target", "shown_rules", "updated")
    search_fields = ("target",)
    ordering = ("target",)

    @display(description=_("rules"))
    def shown_rules(self, policy: Policy) -> str:
        text = json.dumps(policy.rules, ensure_ascii=False)
        return text if len(text) <= 80 else f"{text[:79]}…"

    @display(description=_("updated at"), ordering="updated_at")
    def updated(self, policy: Policy) -> str:
        return moment(policy.updated_at)

    def get_readonly_fields(self, request: Any, obj: Policy | None = None) -> tuple[str, ...]:
        return ("target",) if obj else ()
