"""Filters of the lists. Their choices are known beforehand: none asks a large table for its distinct values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from admin_portal.desk.selection import NOBODY
from channels.models import Provider
from channels.names import CHANNELS
from notify.models import Application

if TYPE_CHECKING:
    DropdownFilter = admin.SimpleListFilter
else:
    from unfold.contrib.filters.admin import DropdownFilter


class FieldFilter(DropdownFilter):
    """Rows whose ``parameter_name`` column has the chosen value, also one that is no longer offered: what a link says
    must never show more than it says."""

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class ChannelFilter(FieldFilter):
    """By channel."""

    title = _("channel")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in CHANNELS]


class ProviderFilter(FieldFilter):
    """By the provider that was asked last."""

    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        names = Provider.objects.order_by("name").values_list("name", flat=True)
        return [*((name, name) for name in names), (NOBODY, _("nobody was asked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider="") if self.value() == NOBODY else super().queryset(request, queryset)


class ApplicationFilter(FieldFilter):
    """By application."""

    title = _("application")
    parameter_name = "application"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Application.objects.order_by("name").values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value and not value.isdecimal():
            return queryset.none()
        return super().queryset(request, queryset)
