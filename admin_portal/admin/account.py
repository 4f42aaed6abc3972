"""A person's own access: where they are signed in, and their second factor. Whoever may come in has these pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from admin_portal import audit
from admin_portal.access import sessions, two_factor
from admin_portal.forms import Form

app_name = "account"
_TOKEN_ATTRS = {"autocomplete": "one-time-code"}


class TokenForm(Form):
    """A token, or a recovery code."""

    token = forms.CharField(
        label=_("code"), max_length=32, widget=UnfoldAdminTextInputWidget(attrs={**_TOKEN_ATTRS, "autofocus": True})
    )


class PasswordForm(Form):
    """The person's password once more: a browser left open is not enough to change how they come in."""

    password = forms.CharField(
        label=_("your password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        """Counts as an attempt to sign in: too many wrong ones close the name to this address for a while."""
        password: str = self.cleaned_data["password"]
        if authenticate(self._request, username=self._request.user.get_username(), password=password) is None:
            raise forms.ValidationError(_("This is not your password."), code="password")
        return password


class EnrolForm(PasswordForm):
    """What it takes to take up a second factor."""

    token = forms.CharField(label=_("code"), max_length=8, widget=UnfoldAdminTextInputWidget(attrs=_TOKEN_ATTRS))


def _page(request: HttpRequest, template: str, *, title: Any, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name
    context = {**admin.site.each_context(request), "title": title, **context}
    response = TemplateResponse(request, f"admin_portal/account/{template}.html", context)
    response["Cache-Control"] = "no-store"
    return response


def overview(request: HttpRequest) -> HttpResponse:
    """Where the person is signed in, and whether they have a second factor."""
    rows = sessions.sessions_of(two_factor.person(request), now=timezone.now())
    return _page(
        request,
        "overview",
        title=_("My access"),
        sessions=rows,
        this_session=request.session.session_key,
        is_enrolled=two_factor.is_enrolled(request.user),
        is_required=two_factor.is_required_for(request.user),
        codes_left=two_factor.codes_left(request.user),
    )


def enrol(request: HttpRequest) -> HttpResponse:
    """Shows the secret as a QR code, and takes it up once the app shows the right token."""
    form = EnrolForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        codes = two_factor.finish(request, token=form.cleaned_data["token"], now=timezone.now())
        if codes is not None:
            return _page(request, "codes", title=_("Recovery codes"), codes=codes)
        form.add_error("token", _("This is not what the app shows now. Is the phone's clock right?"))
    enrolment = two_factor.begin(request)
    return _page(request, "enrol", title=_("Second factor"), form=form, enrolment=enrolment)


def renew_codes(request: HttpRequest) -> HttpResponse:
    """Makes new recovery codes, after asking for the password."""
    if not two_factor.is_enrolled(request.user):
        return HttpResponseRedirect(reverse("account:enrol"))
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        codes = two_factor.renew_codes(two_factor.person(request), now=timezone.now())
        return _page(request, "codes", title=_("Recovery codes"), codes=codes)
    return _page(request, "password", title=_("New recovery codes"), form=form, button=_("Make new codes"))


def remove(request: HttpRequest) -> HttpResponse:
    """Gives the second factor up, after asking for the password. Whoever needs one keeps it."""
    if two_factor.is_required_for(request.user):
        messages.error(request, _("Your role needs a second factor: it can be replaced, but not removed."))
        return HttpResponseRedirect(reverse("account:overview"))
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        two_factor.remove(two_factor.person(request), actor=request.user.get_username(), now=timezone.now())
        messages.success(request, _("Your second factor is removed."))
        return HttpResponseRedirect(reverse("account:overview"))
    return _page(request, "password", title=_("Remove the second factor"), form=form, button=_("Remove"))


def verify(request: HttpRequest) -> HttpResponse:
    """The second step of signing in."""
    aim = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(aim, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        aim = reverse("admin:index")
    if request.user.is_verified() or not two_factor.is_enrolled(request.user):  # type: ignore[union-attr]
        return HttpResponseRedirect(aim)
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if two_factor.verify(request, token=form.cleaned_data["token"], now=timezone.now()):
            return HttpResponseRedirect(aim)
        form.add_error("token", _("This code is not right, or was used already. Wait a moment before the next try."))
    return _page(request, "verify", title=_("Second factor"), form=form)


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Signs the person out everywhere but here."""
    name = request.user.get_username()
    with transaction.atomic():
        ended = sessions.end_others(two_factor.person(request), but=request.session.session_key)
        audit.record(
            actor=name, action="session.others_ended", target=f"user:{name}", after={"ended": ended}, now=timezone.now()
        )
    text = ngettext("%(count)d other session ended.", "%(count)d other sessions ended.", ended)
    messages.success(request, text % {"count": ended})
    return HttpResponseRedirect(reverse("account:overview"))


_own = admin.site.admin_view
urlpatterns = [
    path("", _own(overview), name="overview"),
    path("enrol/", _own(enrol), name="enrol"),
    path("verify/", _own(verify), name="verify"),
    path("codes/", _own(renew_codes), name="codes"),
    path("remove/", _own(remove), name="remove"),
    path("end-other-sessions/", _own(end_other_sessions), name="end_other_sessions"),
]
