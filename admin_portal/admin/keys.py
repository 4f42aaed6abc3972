"""API keys of all applications: to look at, and to revoke. They are made on their application's page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.enums import ActionVariant

from admin_portal.admin.base import CappedPaginator, ReadOnlyAdmin, action, display, label, moment, page
from notify import api_keys
from notify.models import ApiKey


def key_state(key: ApiKey, *, now: datetime) -> SafeString:
    """Whether a key still opens anything, as a label."""
    if key.revoked_at is not None:
        return label("dead", _("revoked"))
    if key.expires_at is not None and key.expires_at <= now:
        return label("expired", _("expired"))
    return label("sent", _("valid"))


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys."""

    detail_template = "admin_portal/key.html"
    list_display = ("prefix", "name", "application", "shown_scopes", "is_test", "state", "used", "expires")
    list_filter = (("application", RelatedDropdownFilter), "is_test")
    list_select_related = ("application",)
    search_fields = ("prefix", "name", "application__name")
    ordering = ("-id",)
    paginator = CappedPaginator
    actions = None
    actions_detail = ("revoke",)

    @display(description=_("scopes"))
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description=_("state"))
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key, now=timezone.now())

    @display(description=_("last used at"), ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return moment(key.last_used_at)

    @display(description=_("expires at"), ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return moment(key.expires_at)

    def detail_context(self, request: HttpRequest, obj: ApiKey) -> dict[str, Any]:
        """The key's state, and whether this person may revoke it."""
        may_revoke = obj.revoked_at is None and self.has_revoke_permission(request)
        return {"state": key_state(obj, now=timezone.now()), "may_revoke": may_revoke}

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Revoking is the only change there is."""
        return request.user.has_perm("notify.change_apikey")

    @action(
        description=_("Revoke"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["revoke"],
        url_path="revoke",
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks, and then ends the key for good."""
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        if request.method != "POST":
            title = _("Revoke the API key %(key)s?") % {"key": key}
            return page(request, self, "admin_portal/revoke_key.html", title=title, obj=key)
        api_keys.revoke(key=key, now=timezone.now())
        self.log_change(request, key, "Revoked")
        messages.success(request, _("The API key %(key)s opens nothing any more.") % {"key": key})
        return HttpResponseRedirect(reverse("admin:notify_apikey_change", args=(key.pk,)))
