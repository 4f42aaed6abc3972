"""Applications, and the two secrets they get from us: API keys and the secret that signs their callbacks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from admin_portal.admin.base import ModelAdmin, ReadOnlyInline, action, display, label, link, moment, page
from admin_portal.admin.keys import key_state
from admin_portal.forms import Form, ModelForm, NamesField, NetworksField
from channels.names import CHANNELS
from notify import api_keys, signing_secrets
from notify.models import ApiKey, Application
from notify.models.application import Scope


class ApplicationForm(ModelForm):
    """An application."""

    channels = NamesField(
        names=CHANNELS, required=False, label=_("allowed channels"), help_text=_("Empty: every channel.")
    )
    allowed_ips = NetworksField(
        required=False,
        label=_("allowed addresses"),
        help_text=_("IP addresses or networks that its keys may be used from. Empty: anywhere."),
    )

    class Meta:
        model = Application
        fields = (
            "name",
            "tier",
            "channels",
            "rate_limit",
            "daily_quota",
            "share",
            "allowed_ips",
            "is_active",
        )


class NewKeyForm(Form):
    """What a new API key may do."""

    name = forms.CharField(
        label=_("name"),
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Who or what will use it."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("scopes"),
        choices=Scope.choices,
        initial=[Scope.SEND, Scope.READ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    is_test = forms.BooleanField(
        label=_("test key"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("What it sends only ever reaches the sandbox."),
    )
    expires_at = forms.SplitDateTimeField(
        label=_("expires at"), required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text=_("Empty: never.")
    )
    allowed_ips = NetworksField(
        label=_("allowed addresses"), required=False, help_text=_("Empty: wherever the application may.")
    )

    def clean_expires_at(self) -> Any:
        """Refuses a moment that has passed."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("This moment has passed."), code="past")
        return expires_at


class KeyInline(ReadOnlyInline):
    """The application's keys, as far as they can still be seen."""

    model = ApiKey
    fields = ("shown", "name", "shown_scopes", "state", "last_used_at", "expires_at")
    readonly_fields = fields
    ordering = ("-id",)
    per_page = 20

    @display(description=_("key"))
    def shown(self, key: ApiKey) -> SafeString:
        return link("notify_apikey", key.pk, key)

    @display(description=_("scopes"))
    def shown_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description=_("state"))
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key, now=timezone.now())


@admin.register(Application)
class ApplicationAdmin(ModelAdmin):
    """The company's applications."""

    form = ApplicationForm
    inlines = (KeyInline,)
    list_display = ("name", "shown_tier", "shown_channels", "rate_limit", "daily_quota", "is_active", "shown_created")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("signing", "shown_created")
    fieldsets = (
        (None, {"fields": ("name", "is_active", "tier", "share")}),
        (_("Limits"), {"fields": ("channels", "rate_limit", "daily_quota", "allowed_ips")}),
        (_("Callbacks"), {"fields": ("signing", "shown_created")}),
    )
    actions_detail = ("new_key", "rotate_signing_secret")

    @display(description=_("tier"), ordering="tier")
    def shown_tier(self, application: Application) -> SafeString:
        return label(application.tier, application.get_tier_display())

    @display(description=_("allowed channels"))
    def shown_channels(self, application: Application) -> Any:
        return ", ".join(application.channels) or _("every channel")

    @display(description=_("created at"), ordering="created_at")
    def shown_created(self, application: Application) -> str:
        return moment(application.created_at)

    @display(description=_("callback signing secret"))
    def signing(self, application: Application) -> Any:
        return _("set") if application.signing_secret else _("made when it is first needed")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What an application sent is kept longer than it: it is switched off, never deleted."""
        return False

    def has_issue_key_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Keys are made here, so adding them is a matter of this page."""
        return request.user.has_perm("notify.add_apikey")

    def _application(self, request: HttpRequest, object_id: str) -> Application:
        application: Application | None = self.get_object(request, object_id)
        if application is None:
            raise Http404
        return application

    @action(description=_("New API key"), icon="key", permissions=["issue_key"], url_path="new-key")
    def new_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Makes a key and shows it in this very answer: it is stored nowhere and can't be shown again."""
        application = self._application(request, object_id)
        form = NewKeyForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            title = _("New API key for %(name)s") % {"name": application.name}
            return page(request, self, "admin_portal/new_key.html", title=title, obj=application, form=form)
        data = form.cleaned_data
        key, plain = api_keys.create(
            application=application,
            scopes=data["scopes"],
            is_test=data["is_test"],
            name=data["name"],
            expires_at=data["expires_at"],
            allowed_ips=data["allowed_ips"],
        )
        self.log_change(request, application, f"API key {key.prefix} made")
        title = _("The new API key of %(name)s") % {"name": application.name}
        return page(request, self, "admin_portal/secret.html", title=title, obj=application, secret=plain, key=key)

    @action(
        description=_("New signing secret"),
        icon="signature",
        permissions=["change"],
        url_path="new-signing-secret",
    )
    def rotate_signing_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Makes a new secret for the signatures of callbacks and shows it in this very answer, and never again."""
        application = self._application(request, object_id)
        if request.method != "POST":
            title = _("New signing secret for %(name)s") % {"name": application.name}
            return page(request, self, "admin_portal/rotate_secret.html", title=title, obj=application)
        secret = signing_secrets.rotate(application=application)
        self.log_change(request, application, "Signing secret changed")
        title = _("The new signing secret of %(name)s") % {"name": application.name}
        return page(request, self, "admin_portal/secret.html", title=title, obj=application, secret=secret)
