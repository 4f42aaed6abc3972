"""Asking for a degradation, in two steps: the form, and what it would do before anything is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import ModelAdmin, page
from admin_portal.models import DegradationRequest
from admin_portal.models.requests import RequestState
from admin_portal.request_form import RequestForm, fresh, initial_of, live_requests, token_of
from admin_portal.steering import action_words, breaking, checking, people, requests, surroundings
from admin_portal.steering.errors import InvalidAction, NotPermitted, SteeringError
from admin_portal.steering.ledger import Terms
from admin_portal.steering.prediction import Prediction
from notify.api.authentication import client_address

BROKEN: Final = _("Applied at once. The approvers are called; it has to be reviewed.")


def person(request: HttpRequest) -> User:
    """Who is signed in. Raises PermissionDenied when nobody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def version_of(sent: QueryDict) -> int:
    """The version that the page was of which sent this; none that there is, if it does not say."""
    written = sent.get("version", "")
    return int(written) if written.isdecimal() and len(written) < 10 else -1


def ask(model_admin: ModelAdmin, request: HttpRequest, row: DegradationRequest | None) -> HttpResponse:
    """The form; then, from it, what it would do; then whatever the button of that page says. ``row``: the request that
    is changed; None: a new one."""
    now = timezone.now()
    setup = surroundings.read(now=now)
    replaceable = [one for one in live_requests() if row is None or one.pk != row.pk]
    if request.method != "POST":
        initial = initial_of(row, now=now) if row is not None else fresh(request.GET.dict())
        return _form_page(model_admin, request, row, RequestForm(initial=initial, setup=setup, replaceable=replaceable))
    form = RequestForm(request.POST, setup=setup, replaceable=replaceable)
    step = request.POST.get("step", "preview")
    if step == "back" or not form.is_valid():
        return _form_page(model_admin, request, row, form)
    confirmed = request.POST.get("stranding_confirmed") == "yes"
    terms = form.terms(now=now, stranding_confirmed=confirmed)
    try:
        effect = checking.predict(terms, now=now)
    except InvalidAction as error:
        form.show(error.faults)
        return _form_page(model_admin, request, row, form)
    if step != "preview":
        try:
            return _send(request, row, form, terms, now=now)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
    return _preview_page(model_admin, request, row, form, terms, effect)


def _send(
    request: HttpRequest, row: DegradationRequest | None, form: RequestForm, terms: Terms, *, now: datetime
) -> HttpResponse:
    """Stores what was asked for, and goes on as the button says. Nothing is stored of what is refused. ``now``: what
    the window of ``terms`` was counted from, or the shortest would be too short by now. Raises SteeringError."""
    who: dict[str, Any] = {
        "by": person(request),
        "origin": client_address(request),
        "now": now,
    }
    step, done = request.POST.get("step", ""), _("Saved.")
    with transaction.atomic():
        if row is None:
            row = requests.draft(terms=terms, form_token=token_of(form), **who)
        else:
            row = requests.change(request_id=row.pk, version=version_of(request.POST), terms=terms, **who)
        if step == "send" and (row.state == RequestState.DRAFT or not row.submitted_at):
            row = requests.submit(request_id=row.pk, version=row.version, **who)
            done = _("Sent.")
        elif step == "break":
            row = breaking.break_glass(
                request_id=row.pk, version=row.version, reason=request.POST.get("break_reason", ""), **who
            )
            done = BROKEN
    messages.success(request, done)
    return HttpResponseRedirect(reverse("admin:admin_portal_degradationrequest_change", args=(row.pk,)))


def _form_page(
    model_admin: ModelAdmin, request: HttpRequest, row: DegradationRequest | None, form: RequestForm
) -> HttpResponse:
    title = _("Request a degradation") if row is None else _("Change the request")
    return page(request, model_admin, "admin_portal/steering/form.html", title=title, obj=row, form=form, row=row)


def _preview_page(
    model_admin: ModelAdmin,
    request: HttpRequest,
    row: DegradationRequest | None,
    form: RequestForm,
    terms: Terms,
    effect: Prediction,
) -> HttpResponse:
    now = timezone.now()
    return page(
        request,
        model_admin,
        "admin_portal/steering/preview.html",
        title=_("What this would do"),
        obj=row,
        row=row,
        what=action_words.describe(terms.action),
        terms=terms,
        effect=effect,
        needed=requests.approvals_needed(terms),
        conflicts=requests.in_the_way(terms, row, now=now),
        hidden=form.as_hidden(),
        may_break=request.user.has_perm(people.BREAK_GLASS),
        may_ask=request.user.has_perm(people.REQUEST),
    )
