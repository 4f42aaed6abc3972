"""Runs of drills: live while they are on, and then their report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal import drill_page
from admin_portal.admin.asking import person
from admin_portal.admin.base import ReadOnlyAdmin, display, label, moment
from admin_portal.admin.filters import FieldFilter
from admin_portal.drills import controls
from admin_portal.drills.editing import RUN
from admin_portal.models import DrillRun
from admin_portal.models.drills import DrillOutcome
from admin_portal.steering.errors import NotPermitted, SteeringError
from notify.api.authentication import client_address

#: htmx stops asking (https://htmx.org/docs/#polling).
STOP_POLLING: Final = 286
#: Which of the states of a message each outcome looks like.
OUTCOME_LOOKS: Final[Mapping[str, str]] = {
    "": "sending",
    "passed": "sent",
    "failed": "failed",
    "aborted": "held",
    "interrupted": "held",
}
_MAY_LOOK: Final = ("admin_portal.view_drillrun", RUN)


def outcome_of(run: DrillRun) -> SafeString:
    """How a run ended, or how far it is, as a label."""
    text = run.get_phase_display() if run.is_live else run.get_outcome_display()
    return label(OUTCOME_LOOKS["" if run.is_live else run.outcome], text)


class OutcomeFilter(FieldFilter):
    """By how it ended."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(DrillOutcome.choices)


@admin.register(DrillRun)
class DrillRunAdmin(ReadOnlyAdmin):
    """Runs, the newest first."""

    detail_template = "admin_portal/drills/run.html"
    list_display = ("asked_shown", "drill", "outcome_shown", "started_by", "lost_shown", "duplicated_shown")
    list_filter = (OutcomeFilter,)
    list_select_related = ("drill",)
    search_fields = ("drill__name", "drill__title", "started_by")
    ordering = ("-asked_at",)
    sortable_by = ()
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(name) for name in _MAY_LOOK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @display(description=_("started at"))
    def asked_shown(self, row: DrillRun) -> str:
        return moment(row.asked_at)

    @display(description=_("outcome"))
    def outcome_shown(self, row: DrillRun) -> SafeString:
        return outcome_of(row)

    @display(description=_("lost"))
    def lost_shown(self, row: DrillRun) -> Any:
        return _figure(row, "lost")

    @display(description=_("sent twice"))
    def duplicated_shown(self, row: DrillRun) -> Any:
        return _figure(row, "duplicated")

    def title(self, obj: DrillRun) -> str:
        return str(obj.drill)

    def detail_context(self, request: HttpRequest, obj: DrillRun) -> dict[str, Any]:
        """How far it is, or its report."""
        return {**_standing(obj), "may_run": request.user.has_perm(RUN)}

    def get_urls(self) -> list[URLPattern]:
        site, name = self.admin_site, "admin_portal_drillrun"
        return [
            path("<uuid:pk>/standing/", site.admin_view(self.standing_view), name=f"{name}_standing"),
            path("<uuid:pk>/abort/", site.admin_view(self.abort_view), name=f"{name}_abort"),
            path("<uuid:pk>/follow-ups/", site.admin_view(self.follow_ups_view), name=f"{name}_follow_ups"),
            *super().get_urls(),
        ]

    def standing_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The part of the page that changes by itself; when the run is over, the page is asked for anew."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = _run(pk)
        response = render(request, "admin_portal/drills/standing.html", _standing(run))
        if not run.is_live:
            response.status_code = STOP_POLLING
            response["HX-Refresh"] = "true"
        response["Cache-Control"] = "no-store"
        return response

    def abort_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Restores at once."""
        return self._do(request, pk, controls.abort, _("Aborted. All is restored."), "reason")

    def follow_ups_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Writes down what follows from it."""
        return self._do(request, pk, controls.write_follow_ups, _("Saved."), "text", "seen")

    def _do(self, request: HttpRequest, pk: UUID, verb: Any, done: Any, *fields: str) -> HttpResponse:
        if request.method != "POST" or not request.user.has_perm(RUN):
            raise PermissionDenied
        run = _run(pk)
        given = {name: request.POST.get(name, "") for name in fields}
        try:
            verb(run_id=run.pk, by=person(request), origin=client_address(request), now=timezone.now(), **given)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:admin_portal_drillrun_change", args=(run.pk,)))


def _run(pk: UUID) -> DrillRun:
    run = DrillRun.objects.select_related("drill", "plan_run__version__plan").filter(pk=pk).first()
    if run is None:
        raise Http404
    return run


def _standing(run: DrillRun) -> dict[str, Any]:
    return {**drill_page.context(run, now=timezone.now()), "shown_outcome": outcome_of(run)}


def _figure(row: DrillRun, name: str) -> Any:
    return "–" if row.figures is None else row.figures.get(name, "–")
