"""Channels: their standing orders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from admin_portal.admin.base import ModelAdmin, display, moment
from admin_portal.forms import ModelForm, NamesField
from channels.models import Channel
from channels.names import CHANNELS


class ChannelForm(ModelForm):
    """A channel's standing orders."""

    name = forms.ChoiceField(
        label=_("name"), choices=[(name, name) for name in CHANNELS], widget=UnfoldAdminSelectWidget
    )
    fallback = NamesField(
        names=CHANNELS,
        required=False,
        label=_("fallback channels"),
        help_text=_("Where messages may go, in this order, while this channel is degraded."),
    )

    class Meta:
        model = Channel
        fields = ("name", "fallback", "outcome_unknown", "step_deadline_s")

    def clean(self) -> dict[str, Any]:
        """A channel can't stand in for itself."""
        cleaned = super().clean() or self.cleaned_data
        name = cleaned.get("name") or self.instance.name
        if name in cleaned.get("fallback", []):
            self.add_error("fallback", _("A channel can't be its own fallback."))
        return cleaned


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    """Channels. One without a row here has the defaults."""

    form = ChannelForm
    list_display = ("name", "shown_fallback", "outcome_unknown", "step_deadline_s", "updated")
    ordering = ("name",)

    @display(description=_("fallback channels"))
    def shown_fallback(self, channel: Channel) -> str:
        return " → ".join(channel.fallback) or "–"

    @display(description=_("updated at"), ordering="updated_at")
    def updated(self, channel: Channel) -> str:
        return moment(channel.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()
