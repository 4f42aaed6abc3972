"""Writing plans: a new one, and the next version of one that is there."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from admin_portal.admin import asking
from admin_portal.admin.base import ModelAdmin, page
from admin_portal.models import Plan, PlanRun
from admin_portal.models.plans import LIVE_STATES
from admin_portal.plan_form import PlanForm, fresh, initial_of
from admin_portal.plans import editing, ledger
from admin_portal.steering.errors import InvalidAction, NotPermitted, SteeringError
from notify.api.authentication import client_address


def write(model_admin: ModelAdmin, request: HttpRequest, plan: Plan | None) -> HttpResponse:
    """The form; and what it says becomes a plan, or the next version of ``plan``."""
    if request.method != "POST":
        initial = fresh(request.user.get_username()) if plan is None else _initial_of(plan)
        return _page(model_admin, request, plan, PlanForm(initial=initial, is_new=plan is None))
    form = PlanForm(request.POST, is_new=plan is None)
    if form.is_valid():
        try:
            return _store(request, plan, form)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except InvalidAction as error:
            form.show(error.faults)
        except SteeringError as error:
            form.add_error(None, str(error))
    return _page(model_admin, request, plan, form)


def _initial_of(plan: Plan) -> dict[str, Any]:
    return initial_of(plan, plan.versions.order_by("-number")[0])


def _store(request: HttpRequest, plan: Plan | None, form: PlanForm) -> HttpResponse:
    who: dict[str, Any] = {
        "by": asking.person(request),
        "origin": client_address(request),
        "now": timezone.now(),
    }
    if plan is None:
        plan = editing.create(name=form.cleaned_data["name"], draft=form.draft(), **who)
        messages.success(request, _("Saved."))
    else:
        # A form that does not say what it saw has seen no version that there is.
        seen = form.cleaned_data["version"] or 0
        new = editing.edit(plan_id=plan.pk, version=seen, draft=form.draft(), **who)
        messages.success(request, _("Saved as version %(number)d.") % {"number": new.number})
        for run in live_runs(plan):
            words = _("%(run)s is on its way: it keeps version %(number)d.")
            messages.warning(request, words % {"run": ledger.name_of(run), "number": run.version.number})
    return HttpResponseRedirect(reverse("admin:admin_portal_plan_change", args=(plan.pk,)))


def live_runs(plan: Plan) -> list[PlanRun]:
    """The runs of ``plan`` that are on their way, rehearsals too."""
    return list(plan.runs.filter(state__in=LIVE_STATES).select_related("plan", "version").order_by("pk"))


def _page(model_admin: ModelAdmin, request: HttpRequest, plan: Plan | None, form: PlanForm) -> HttpResponse:
    title = _("New plan") if plan is None else _("Edit “%(plan)s”") % {"plan": plan}
    runs = [] if plan is None else live_runs(plan)
    return page(
        request, model_admin, "admin_portal/plans/form.html", title=title, obj=plan, form=form, plan=plan, runs=runs
    )
