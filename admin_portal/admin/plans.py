"""Plans: the list, the page of one with everything it ever said, and the ways to write, run, dismiss and retire it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal import plan_page
from admin_portal.admin import asking, plan_asking, plan_writing
from admin_portal.admin.base import CappedPaginator, ReadOnlyAdmin, display, label, moment, page
from admin_portal.models import Plan, PlanProposal, PlanVersion
from admin_portal.models.plans import LIVE_STATES
from admin_portal.plans import editing, proposing
from admin_portal.plans.editing import EDIT
from admin_portal.plans.requests import RUN
from admin_portal.steering import people
from admin_portal.steering.errors import NotPermitted, SteeringError
from notify.api.authentication import client_address

_MAY_LOOK: Final = ("admin_portal.view_plan", EDIT, RUN, people.APPROVE)


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """Plans, those out of use last."""

    detail_template = "admin_portal/plans/plan.html"
    list_display = ("title", "name", "owner", "version", "trigger", "rehearsed", "in_force", "remarks")
    list_display_links = ("title",)
    search_fields = ("name", "title", "owner")
    sortable_by = ()
    paginator = CappedPaginator
    actions = None

    # --- who may ------------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(name) for name in _MAY_LOOK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(EDIT)

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        newest = PlanVersion.objects.filter(plan=OuterRef("pk")).order_by("-number")
        live = Count("runs", filter=Q(runs__state__in=LIVE_STATES, runs__drill_id=None))
        return Plan.objects.annotate(
            newest=Subquery(newest.values("number")[:1]),
            triggered_by=Subquery(newest.values("trigger")[:1]),
            live=live,
            is_proposed=Exists(PlanProposal.objects.filter(plan=OuterRef("pk"), closed_at=None)),
        )

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        # Those in use have no such time.
        return ("-retired_at", "name")

    @display(description=_("version"))
    def version(self, plan: Any) -> str:
        return f"v{plan.newest}"

    @display(description=_("trigger"))
    def trigger(self, plan: Any) -> str:
        return plan_page.trigger_in_words(plan.triggered_by) or "–"

    @display(description=_("last rehearsed at"))
    def rehearsed(self, plan: Plan) -> str:
        return moment(plan.rehearsed_at)

    @display(description=_("runs on their way"))
    def in_force(self, plan: Any) -> str:
        return str(plan.live) if plan.live else "–"

    @display(description="")
    def remarks(self, plan: Any) -> SafeString | str:
        """What somebody ought to know, the most urgent alone."""
        if plan.retired_at is not None:
            return label("cancelled", _("retired"))
        if plan.is_proposed:
            return label("held", _("proposed"))
        if plan_page.is_overdue(plan, now=timezone.now()):
            return label("expired", _("rehearsal overdue"))
        return ""

    # --- one plan -----------------------------------------------------------------------------------------------------

    def detail_context(self, request: HttpRequest, obj: Plan) -> dict[str, Any]:
        """What it says, what became of it, and what this person may do."""
        in_use = obj.retired_at is None
        return {
            **plan_page.context(obj, now=timezone.now()),
            "live": plan_writing.live_runs(obj),
            "may_run": in_use and request.user.has_perm(RUN),
            "may_edit": in_use and request.user.has_perm(EDIT),
        }

    def get_urls(self) -> list[URLPattern]:
        site, name = self.admin_site, "admin_portal_plan"
        return [
            path("<int:pk>/edit/", site.admin_view(self.edit_view), name=f"{name}_edit"),
            path("<int:pk>/run/", site.admin_view(self.run_view), name=f"{name}_run"),
            path("<int:pk>/retire/", site.admin_view(self.retire_view), name=f"{name}_retire"),
            path("<int:pk>/dismiss/", site.admin_view(self.dismiss_view), name=f"{name}_dismiss"),
            path("<int:pk>/versions/<int:number>/", site.admin_view(self.version_view), name=f"{name}_version"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new plan."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return plan_writing.write(self, request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Its next version."""
        return plan_writing.write(self, request, self._plan(request, pk, EDIT))

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a run would do, and the form that asks for one."""
        return plan_asking.ask(self, request, self._plan(request, pk, RUN))

    def retire_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Takes it out of use."""
        plan = self._plan(request, pk, EDIT)
        return self._do(request, plan, lambda **who: editing.retire(plan_id=plan.pk, **who), _("Retired."))

    def dismiss_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Says no to the proposal that the page showed, if it is still open."""
        plan = self._plan(request, pk, RUN)
        written = request.POST.get("proposal", "")
        proposal = plan.proposals.filter(pk=int(written)).first() if written.isdecimal() and len(written) < 18 else None

        def dismiss(**who: Any) -> bool:
            return proposal is not None and proposing.dismiss(proposal_id=proposal.pk, **who)

        return self._do(request, plan, dismiss, _("Dismissed. It is not proposed again for half an hour."))

    def _do(self, request: HttpRequest, plan: Plan, verb: Callable[..., Any], done: Any) -> HttpResponse:
        """Does what a button says, if that is still possible, and says what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        who = {"by": asking.person(request), "origin": client_address(request), "now": timezone.now()}
        try:
            found = verb(**who)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done) if found else messages.warning(request, _("This proposal is over already."))
        return HttpResponseRedirect(reverse("admin:admin_portal_plan_change", args=(plan.pk,)))

    def version_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """What one of its versions says."""
        plan = self._plan(request, pk)
        version = plan.versions.filter(number=min(number, 2**31 - 1)).first()
        if version is None:
            raise Http404
        says, title = plan_page.says(version), f"{plan} v{version.number}"
        return page(request, self, "admin_portal/plans/version.html", title=title, obj=plan, plan=plan, says=says)

    def _plan(self, request: HttpRequest, pk: int, permission: str = "") -> Plan:
        """The plan. Raises PermissionDenied and Http404."""
        if not self.has_view_permission(request) or (permission and not request.user.has_perm(permission)):
            raise PermissionDenied
        plan = Plan.objects.filter(pk=pk).first()
        if plan is None:
            raise Http404
        return plan
