"""Runs of plans: those that wait and go on, those that are over, and the page of one as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal import run_page
from admin_portal.admin import asking, plan_asking
from admin_portal.admin.base import CappedPaginator, display, label, link
from admin_portal.admin.filters import FieldFilter
from admin_portal.admin.requests import LOOKS, STOP_POLLING, RequestStateFilter
from admin_portal.admin.steered import SteeredAdmin
from admin_portal.models import PlanRun, RunApproval
from admin_portal.models.plans import LIVE_STATES, Phase
from admin_portal.models.requests import RequestState, Review
from admin_portal.plans import breaking, controls, requests, runbook
from admin_portal.plans.requests import RUN
from admin_portal.steering import people
from admin_portal.steering.errors import NotPermitted, SteeringError
from notify.api.authentication import client_address

_MAY_LOOK: Final = ("admin_portal.view_planrun", RUN, people.APPROVE, people.BREAK_GLASS)

#: What a button's name does, with what it says afterwards.
VERBS: Final[Mapping[str, tuple[Callable[..., PlanRun], Any]]] = {
    "approve": (requests.approve, _("Approved.")),
    "reject": (requests.reject, _("Rejected.")),
    "withdraw": (requests.withdraw, _("Withdrawn.")),
    "break": (breaking.break_glass, asking.BROKEN),
    "pause": (controls.pause, _("Paused.")),
    "resume": (controls.resume, _("It goes on.")),
    "skip": (controls.skip, _("Skipped.")),
    "abort": (controls.abort, _("Aborted: what was in force is reverted.")),
    "review_fine": (lambda **k: breaking.review(fine=True, **k), _("Reviewed.")),
    "review_wrong": (lambda **k: breaking.review(fine=False, **k), _("Reviewed, and reverted.")),
}
_WITHOUT_REASON: Final = frozenset({"resume", "skip"})


class ReviewFilter(FieldFilter):
    """By what became of a break-glass afterwards."""

    title = _("review")
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, words) for value, words in Review.choices if value]


@admin.register(PlanRun)
class PlanRunAdmin(SteeredAdmin):
    """Runs: those that wait for this person first, then what is alive, then the others."""

    detail_template = "admin_portal/plans/run.html"
    list_display = ("number", "shown_plan", "shown_state", "shown_severity", "requester", "until", "mine")
    list_display_links = ("number",)
    list_filter = (RequestStateFilter, ReviewFilter)
    list_select_related = ("plan", "version", "requested_by")
    search_fields = ("plan__name", "plan__title", "reason", "requested_by__username")
    sortable_by = ()
    paginator = CappedPaginator
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(name) for name in _MAY_LOOK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        # The board links from what is in force to the run that put it there.
        return lookup == "steps__pin_id" or super().lookup_allowed(lookup, value, request)

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlanRun]:
        """Each with its place: 0 waits for this person, 1 is alive, 2 is over."""
        mine = []
        if request.user.has_perm(people.APPROVE):
            said = RunApproval.objects.filter(run=OuterRef("pk"), approver=request.user.pk)
            others = ~Q(requested_by=request.user.pk)
            mine = [
                When(Q(~Exists(said), others, state=RequestState.PENDING), then=0),
                When(Q(~Q(broken_by=request.user.pk), others, review=Review.DUE), then=0),
            ]
        place = Case(*mine, When(state__in=LIVE_STATES, then=1), default=Value(2), output_field=IntegerField())
        return PlanRun.objects.annotate(place=place)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("place", "-id")

    @display(description=_("plan"))
    def shown_plan(self, run: PlanRun) -> SafeString:
        plan = link("admin_portal_plan", run.plan_id, f"{run.plan} v{run.version.number}")
        return plan if run.drill_id is None else format_html("{} {}", plan, label("cancelled", _("rehearsal")))

    @display(description=_("state"))
    def shown_state(self, run: PlanRun) -> SafeString:
        return _state(run)

    # --- one run ------------------------------------------------------------------------------------------------------

    def title(self, obj: PlanRun) -> str:
        return f"#{obj.pk} {obj.plan}"

    def detail_context(self, request: HttpRequest, obj: PlanRun) -> dict[str, Any]:
        """How it stands, what it was foretold to do, and what this person may do."""
        return {
            **self._standing(request, obj),
            "effects": plan_asking.effects_of(obj, now=timezone.now()),
            "runbook": runbook.render(obj.version.runbook),
            "history": run_page.history(obj),
        }

    def _standing(self, request: HttpRequest, obj: PlanRun) -> dict[str, Any]:
        return {
            **run_page.context(obj, request.user, now=timezone.now()),
            "shown_state": _state(obj),
            "shown_severity": self.shown_severity(obj),
        }

    def get_urls(self) -> list[URLPattern]:
        site, name = self.admin_site, "admin_portal_planrun"
        return [
            path("<int:pk>/standing/", site.admin_view(self.standing_view), name=f"{name}_standing"),
            path("<int:pk>/do/<str:verb>/", site.admin_view(self.verb_view), name=f"{name}_do"),
            *super().get_urls(),
        ]

    def standing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that changes by itself; with the buttons, when others are offered than the page has."""
        run = self._run(request, pk)
        context = self._standing(request, run)
        context["has_news"] = request.GET.get("stamp", "") not in ("", context["stamp"])
        if context["has_news"]:
            context["history"] = run_page.history(run)
        # What somebody is writing stays: the form that skips is only told of the step.
        context["new_position"] = context["position"] if run_page.SKIP in context["buttons"] else None
        response = render(request, "admin_portal/plans/run_standing.html", context)
        alive = run.is_live or run.review == Review.DUE
        response.status_code = 200 if alive else STOP_POLLING
        response["Cache-Control"] = "no-store"
        return response

    def verb_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Does what a button says, if that is still possible, and says what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        run = self._run(request, pk)
        if verb not in VERBS:
            raise Http404
        do, done = VERBS[verb]
        given: dict[str, Any] = {} if verb in _WITHOUT_REASON else {"reason": request.POST.get("reason", "")}
        if verb == "skip":
            given["position"] = _position(request)
        who = {"by": asking.person(request), "origin": client_address(request), "now": timezone.now()}
        try:
            do(run_id=run.pk, **who, **given)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:admin_portal_planrun_change", args=(run.pk,)))

    def _run(self, request: HttpRequest, pk: int) -> PlanRun:
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = PlanRun.objects.select_related("plan", "version", "requested_by").filter(pk=pk).first()
        if run is None:
            raise Http404
        return run


def _position(request: HttpRequest) -> int:
    """The step that the page showed as the one whose turn it is; none that there is, if the form does not say."""
    written = request.POST.get("position", "")
    return int(written) if written.isdecimal() and len(written) < 4 else -1


def _state(run: PlanRun) -> SafeString:
    """Where it is; of a run in force, what it is doing."""
    if run.state == RequestState.ACTIVE:
        return label("held" if run.phase == Phase.PAUSED else "sending", run.get_phase_display())
    if run.state == RequestState.ENDED and run.end:
        return label("cancelled", run.get_end_display())
    return label(LOOKS[run.state], run.get_state_display())
