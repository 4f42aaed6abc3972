"""Providers. What their form asks depends on the adapter; their secrets go in and never come out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from admin_portal.admin.base import ModelAdmin, display, label, moment, page
from admin_portal.admin.filters import ChannelFilter
from admin_portal.provider_form import config_fields, form_class
from channels import registry
from channels.models import Provider


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    """Accounts at providers."""

    list_display = (
        "name",
        "shown_channel",
        "adapter",
        "weight",
        "rate_limit",
        "max_concurrency",
        "timeout_s",
        "state",
        "updated",
    )
    list_filter = (ChannelFilter, "enabled")
    search_fields = ("name", "adapter")
    ordering = ("channel", "-weight", "name")
    actions = ("enable", "disable")
    change_form_show_cancel_button = True

    @display(description=_("channel"), ordering="channel")
    def shown_channel(self, provider: Provider) -> SafeString:
        return label(provider.channel)

    @display(description=_("state"), ordering="enabled")
    def state(self, provider: Provider) -> SafeString:
        return label("healthy", _("enabled")) if provider.enabled else label("disabled", _("disabled"))

    @display(description=_("updated at"), ordering="updated_at")
    def updated(self, provider: Provider) -> str:
        return moment(provider.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        if obj is not None and not self.has_change_permission(request, obj):
            return ("adapter", "shown_config")
        return ("adapter",) if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Provider | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        form = form_class(adapter=self._adapter(request, obj), config=obj.config if obj else {})
        return super().get_form(request, obj, change, form=form, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> list[Any]:
        adapter = self._adapter(request, obj)
        identity = ["name", "channel", "enabled"]
        traffic = ["weight", "rate_limit", "max_concurrency", "timeout_s"]
        if obj is None:
            config = config_fields(adapter, {})
        elif self.has_change_permission(request, obj):
            identity.insert(1, "adapter")
            config = config_fields(adapter, obj.config)
        else:
            identity.insert(1, "adapter")
            config = ["shown_config"]
        title = _("Configuration of the adapter %(adapter)s") % {"adapter": adapter}
        groups: list[Any] = [(None, {"fields": identity}), (_("Traffic"), {"fields": traffic})]
        return [*groups, (title, {"fields": config})] if config else groups

    def _adapter(self, request: HttpRequest, obj: Provider | None) -> str:
        return obj.adapter if obj is not None else request.GET.get("adapter", "")

    @display(description=_("configuration"))
    def shown_config(self, provider: Provider) -> SafeString:
        """The configuration for those who may only look; of secrets only that they are set."""
        secrets = registry.secret_keys(provider.adapter)
        rows = [(key, None if key in secrets else value) for key, value in sorted(provider.config.items())]
        return render_to_string("admin_portal/config.html", {"rows": rows})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for the adapter first: the rest of the form depends on it."""
        if request.GET.get("adapter") in registry.ADAPTERS:
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        adapters = sorted(registry.ADAPTERS.items())
        return page(request, self, "admin_portal/choose_adapter.html", title=_("Add provider"), adapters=adapters)

    @admin.action(description=_("Enable selected providers"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """Lets them carry messages again."""
        changed = self._switch(request, queryset, enabled=True)
        text = ngettext("%(count)d provider enabled.", "%(count)d providers enabled.", changed)
        messages.success(request, text % {"count": changed})

    @admin.action(description=_("Disable selected providers"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        """Takes them out of traffic, and says which channels are left without a provider."""
        channels = set(queryset.values_list("channel", flat=True))
        changed = self._switch(request, queryset, enabled=False)
        text = ngettext("%(count)d provider disabled.", "%(count)d providers disabled.", changed)
        messages.success(request, text % {"count": changed})
        served = set(Provider.objects.filter(channel__in=channels, enabled=True).values_list("channel", flat=True))
        for channel in sorted(channels - served):
            warning = _("The channel %(channel)s has no enabled provider now: its messages wait.")
            messages.warning(request, warning % {"channel": channel})

    def _switch(self, request: HttpRequest, queryset: QuerySet[Provider], *, enabled: bool) -> int:
        with transaction.atomic():
            changed = list(queryset.filter(enabled=not enabled))
            for provider in changed:
                provider.enabled = enabled
                provider.save(update_fields=["enabled", "updated_at"])
                self.log_change(request, provider, "Enabled" if enabled else "Disabled")
        return len(changed)
