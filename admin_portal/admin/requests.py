"""Manual degradation: the requests, the form in two steps, and what may be done to each."""

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
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal import request_page
from admin_portal.admin import asking
from admin_portal.admin.base import CappedPaginator, display, label
from admin_portal.admin.filters import FieldFilter
from admin_portal.admin.steered import SEVERITY_LOOKS, SteeredAdmin
from admin_portal.models import Approval, DegradationRequest
from admin_portal.models.requests import RequestState, Review
from admin_portal.steering import action_words, approval, breaking, ledger, people, requests
from admin_portal.steering.errors import NotPermitted, SteeringError
from notify.api.authentication import client_address

#: htmx stops asking (https://htmx.org/docs/#polling).
STOP_POLLING: Final = 286
LOOKS: Final[Mapping[str, str]] = {
    "draft": "cancelled",
    "pending": "held",
    "approved": "queued",
    "active": "sending",
    "ended": "cancelled",
    "rejected": "failed",
    "withdrawn": "cancelled",
    "lapsed": "cancelled",
}
_MAY_LOOK: Final = ("admin_portal.view_degradationrequest", people.REQUEST, people.APPROVE, people.BREAK_GLASS)

Verb = Callable[..., DegradationRequest]
#: What a button's name does, with what it says afterwards.
VERBS: Final[Mapping[str, tuple[Verb, Any]]] = {
    "submit": (requests.submit, _("Sent.")),
    "approve": (requests.approve, _("Approved.")),
    "reject": (requests.reject, _("Rejected.")),
    "withdraw": (requests.withdraw, _("Withdrawn.")),
    "revert": (requests.revert, _("Ended. Traffic returns to rest.")),
    "break": (breaking.break_glass, asking.BROKEN),
    "review_fine": (lambda **k: breaking.review(fine=True, **k), _("Reviewed.")),
    "review_wrong": (lambda **k: breaking.review(fine=False, **k), _("Reviewed, and reverted.")),
}
_WITHOUT_REASON: Final = frozenset({"submit"})


class RequestStateFilter(FieldFilter):
    """By where it is."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(RequestState.choices)


class SeverityFilter(FieldFilter):
    """By how much it hurts."""

    title = _("severity")
    parameter_name = "severity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("low", _("low")), ("medium", _("medium")), ("high", _("high"))]


@admin.register(DegradationRequest)
class DegradationRequestAdmin(SteeredAdmin):
    """Requests: those that wait for this person first, then what is alive, then the others."""

    detail_template = "admin_portal/steering/request.html"
    list_display = ("number", "what", "shown_state", "shown_severity", "requester", "until", "mine")
    list_display_links = ("number", "what")
    list_filter = (RequestStateFilter, SeverityFilter)
    list_select_related = ("requested_by",)
    search_fields = ("target", "reason", "requested_by__username")
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    actions = None

    # --- who may ------------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(name) for name in _MAY_LOOK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(people.REQUEST) or request.user.has_perm(people.BREAK_GLASS)

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[DegradationRequest]:
        """Each with its place: 0 waits for this person, 1 is alive, 2 is over."""
        rows = DegradationRequest.objects.all()  # not ordered by its place before it has one
        alive = When(Q(state__in=approval.LIVE) | Q(state=RequestState.DRAFT), then=1)
        mine = []
        if request.user.has_perm(people.APPROVE):
            said = Approval.objects.filter(
                request=OuterRef("pk"), version=OuterRef("version"), approver=request.user.pk
            )
            others = ~Q(requested_by=request.user.pk)
            mine = [
                When(Q(~Exists(said), others, state=RequestState.PENDING), then=0),
                When(Q(~Q(broken_by=request.user.pk), others, review=Review.DUE), then=0),
            ]
        place = Case(*mine, alive, default=Value(2), output_field=IntegerField())
        return rows.annotate(place=place)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("place", "-id")

    @display(description=_("what"))
    def what(self, row: DegradationRequest) -> str:
        return action_words.describe(ledger.action_of(row))

    @display(description=_("state"))
    def shown_state(self, row: DegradationRequest) -> SafeString:
        return _state(row)

    # --- one request --------------------------------------------------------------------------------------------------

    def title(self, obj: DegradationRequest) -> str:
        return f"#{obj.pk} {action_words.describe(ledger.action_of(obj))}"

    def detail_context(self, request: HttpRequest, obj: DegradationRequest) -> dict[str, Any]:
        """How it stands, and what this person may do."""
        return self._standing(request, obj, version=obj.version)

    def _standing(self, request: HttpRequest, obj: DegradationRequest, *, version: int) -> dict[str, Any]:
        now = timezone.now()
        return {
            **request_page.context(obj, request.user, now=now),
            **request_page.offer(obj, request.user, version=version, now=now),
            "shown_state": _state(obj),
            "shown_severity": label(SEVERITY_LOOKS[obj.severity], obj.get_severity_display()),
        }

    def get_urls(self) -> list[URLPattern]:
        site, name = self.admin_site, "admin_portal_degradationrequest"
        return [
            path("<int:pk>/standing/", site.admin_view(self.standing_view), name=f"{name}_standing"),
            path("<int:pk>/edit/", site.admin_view(self.edit_view), name=f"{name}_edit"),
            path("<int:pk>/do/<str:verb>/", site.admin_view(self.verb_view), name=f"{name}_do"),
            *super().get_urls(),
        ]

    def standing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that changes by itself; with the buttons, when others are offered than the page has."""
        row = self._row(request, pk)
        context = self._standing(request, row, version=asking.version_of(request.GET))
        context["has_news"] = request.GET.get("stamp", "") not in ("", context["stamp"])
        response = render(request, "admin_portal/steering/standing.html", context)
        alive = row.state in approval.LIVE or row.review == Review.DUE
        response.status_code = 200 if alive else STOP_POLLING
        response["Cache-Control"] = "no-store"
        return response

    def verb_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Does what a button says, if that is still possible, and says what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self._row(request, pk)
        if verb not in VERBS:
            raise Http404
        do, done = VERBS[verb]
        given: dict[str, Any] = {} if verb in _WITHOUT_REASON else {"reason": request.POST.get("reason", "")}
        try:
            do(
                request_id=row.pk,
                version=asking.version_of(request.POST),
                by=asking.person(request),
                origin=client_address(request),
                now=timezone.now(),
                **given,
            )
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:admin_portal_degradationrequest_change", args=(row.pk,)))

    def _row(self, request: HttpRequest, pk: int) -> DegradationRequest:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = DegradationRequest.objects.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    # --- asking, in two steps -----------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, and then what it would do, before anything is sent."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return asking.ask(self, request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The same for a request that is there already."""
        row = self._row(request, pk)
        if not request_page.may_change(row, request.user):
            raise PermissionDenied
        return asking.ask(self, request, row)


def _state(row: DegradationRequest) -> SafeString:
    return label(LOOKS[row.state], row.get_state_display())
