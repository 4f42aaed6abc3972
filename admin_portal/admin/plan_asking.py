"""Asking for a run of a plan: what it would do, and the form beside it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from admin_portal.admin import asking
from admin_portal.admin.base import ModelAdmin, page
from admin_portal.models import Plan, PlanRun, PlanVersion
from admin_portal.models.requests import RequestState
from admin_portal.plans import breaking, requests, runbook, steps
from admin_portal.run_form import RunForm, fresh
from admin_portal.steering import people, surroundings
from admin_portal.steering.approval import Severity
from admin_portal.steering.errors import InvalidAction, NotPermitted, SteeringError
from admin_portal.steering.prediction import Prediction
from notify.api.authentication import client_address


def ask(model_admin: ModelAdmin, request: HttpRequest, plan: Plan) -> HttpResponse:
    """The form, with the predicted effect of each step; then what its button says."""
    version = plan.versions.order_by("-number")[0]
    if request.method != "POST":
        return _page(model_admin, request, plan, version, RunForm(initial=fresh(version.number)))
    form = RunForm(request.POST)
    if form.is_valid():
        try:
            return _send(request, plan, form)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except InvalidAction as error:
            form.show(error.faults)
        except SteeringError as error:
            form.add_error(None, str(error))
    return _page(model_admin, request, plan, version, form)


def _send(request: HttpRequest, plan: Plan, form: RunForm) -> HttpResponse:
    """Stores what was asked for; of what is refused nothing is stored. Raises SteeringError."""
    now = timezone.now()
    who: dict[str, Any] = {"by": asking.person(request), "origin": client_address(request), "now": now}
    wish = form.wish(stranding_confirmed=request.POST.get("stranding_confirmed") == "yes")
    with transaction.atomic():
        run = requests.ask(plan_id=plan.pk, wish=wish, form_token=form.cleaned_data["token"], **who)
        is_new = run.requested_at == now
        if is_new and request.POST.get("step") == "break":
            run = breaking.break_glass(run_id=run.pk, reason=request.POST.get("break_reason", ""), **who)
    if not is_new:
        messages.warning(request, _("This form was sent before: nothing was asked for a second time."))
    else:
        messages.success(request, asking.BROKEN if run.broken_by_id else _("Sent."))
    return HttpResponseRedirect(_run_url(run))


def _run_url(run: PlanRun) -> str:
    return reverse("admin:admin_portal_planrun_change", args=(run.pk,))


def _page(
    model_admin: ModelAdmin, request: HttpRequest, plan: Plan, version: PlanVersion, form: RunForm
) -> HttpResponse:
    now = timezone.now()
    found = steps.read(version.steps)
    faults = steps.validate(found, setup=surroundings.read(now=now))
    effects = {} if faults else dict(requests.foresee(found, now=now))
    lines = [
        {"number": number, "words": steps.describe(step), "kind": step.kind, "effect": effects.get(number)}
        for number, step in enumerate(found, start=1)
    ]
    needed = [(severity.label, requests.needed(found, severity=severity)) for severity in Severity]
    return page(
        request,
        model_admin,
        "admin_portal/plans/ask.html",
        title=_("Run “%(plan)s”") % {"plan": plan},
        obj=plan,
        plan=plan,
        version=version,
        form=form,
        lines=lines,
        faults=[str(one) for one in faults],
        needed=needed,
        strands=any(one.strands_critical for one in effects.values()),
        confirmed=request.POST.get("stranding_confirmed") == "yes",
        runbook=runbook.render(version.runbook),
        may_break=request.user.has_perm(people.BREAK_GLASS),
    )


def effects_of(run: PlanRun, *, now: Any) -> list[dict[str, Any]]:
    """The predicted effect of each step: as things are now, while a run waits for approval; then as it was foreseen."""
    found = steps.read(run.version.steps)
    if run.state == RequestState.PENDING:
        effects = requests.effects_of_run(run.pk, now)
    else:
        effects = [(one["step"], Prediction.from_json(one["effect"])) for one in run.predictions or ()]
    return [
        {"number": number, "words": steps.describe(found[number - 1]), "effect": effect} for number, effect in effects
    ]
