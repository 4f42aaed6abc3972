"""How many approvers an action takes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import ModelAdmin, display
from admin_portal.models import ApprovalRule
from admin_portal.steering import approval
from admin_portal.steering.actions import Kind
from admin_portal.steering.approval import Severity


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(ModelAdmin):
    """Rules of approval, where they are not to be the defaults."""

    list_display = ("kind", "severity", "approvals", "default")
    list_filter = ("kind", "severity")
    ordering = ("kind", "severity")
    actions = None

    @display(description=_("default"))
    def default(self, rule: ApprovalRule) -> int:
        return approval.needed_by_default(severity=Severity(rule.severity), kind=Kind(rule.kind))

    def get_form(
        self, request: HttpRequest, obj: ApprovalRule | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        text = _(
            "Without a rule: holding bulk back takes nobody at low severity, else one; switching and pausing take two"
            " from medium on; everything else takes two at high severity, else one."
        )
        return super().get_form(request, obj, change, help_texts={"approvals": text}, **kwargs)
