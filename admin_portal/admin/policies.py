"""Policies: by which figures providers and channels are judged."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from admin_portal.admin.base import ModelAdmin, moment
from admin_portal.forms import ModelForm
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
    rules = forms.JSONField(
        label=_("rules"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "class": "portal-code", "spellcheck": "false"}),
    )

    class Meta:
        model = Policy
        fields = ("target", "rules")


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
