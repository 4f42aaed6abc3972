"""Drills: the list, a drill's page with its start button, and the form in which one is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.asking import person
from admin_portal.admin.base import ReadOnlyAdmin, display, moment, page
from admin_portal.admin.drill_runs import OUTCOME_LOOKS, outcome_of
from admin_portal.drill_form import DrillForm, fresh, initial_of, new_token, token
from admin_portal.drills import controls, editing, queries, terms
from admin_portal.drills.editing import RUN
from admin_portal.drills.terms import Terms
from admin_portal.models import Drill, DrillRun
from admin_portal.steering import surroundings
from admin_portal.steering.errors import InvalidAction, NotPermitted, SteeringError
from notify.api.authentication import client_address

_MAY_LOOK = ("admin_portal.view_drill", RUN)


@admin.register(Drill)
class DrillAdmin(ReadOnlyAdmin):
    """Drills, those in use first."""

    detail_template = "admin_portal/drills/drill.html"
    list_display = ("title_shown", "what", "plan", "owner", "next_shown", "last_shown")
    list_select_related = ("plan",)
    search_fields = ("name", "title", "owner")
    ordering = ("retired_at", "name")
    sortable_by = ()
    actions = None

    # --- who may ------------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(name) for name in _MAY_LOOK)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(RUN))

    # --- the list -----------------------------------------------------------------------------------------------------

    @display(description=_("drill"))
    def title_shown(self, row: Drill) -> str:
        return str(row) if row.retired_at is None else f"{row} ({_('retired')})"

    @display(description=_("what goes wrong"))
    def what(self, row: Drill) -> str:
        return terms.describe(Terms.from_json(row.terms))

    @display(description=_("next at"))
    def next_shown(self, row: Drill) -> str:
        return moment(row.next_at)

    @display(description=_("last run"))
    def last_shown(self, row: Drill) -> SafeString | str:
        last = row.runs.order_by("-asked_at").first()
        return "–" if last is None else outcome_of(last)

    # --- one drill ----------------------------------------------------------------------------------------------------

    def detail_context(self, request: HttpRequest, obj: Drill) -> dict[str, Any]:
        """What it says, its last runs, and what this person may do."""
        found = Terms.from_json(obj.terms)
        return {
            "drill": obj,
            "terms": found,
            "fault_words": terms.describe(found),
            "hypothesis": found.hypothesis.words(),
            "lasts_s": found.lasts.total_seconds(),
            "runs": [(run, outcome_of(run)) for run in queries.last_runs(obj)],
            "live": queries.live_run(),
            "may_run": request.user.has_perm(RUN) and obj.retired_at is None,
            "seen_at": obj.changed_at.isoformat(),
            "token": new_token(),
            "looks": OUTCOME_LOOKS,
        }

    def get_urls(self) -> list[URLPattern]:
        site, name = self.admin_site, "admin_portal_drill"
        return [
            path("<int:pk>/edit/", site.admin_view(self.edit_view), name=f"{name}_edit"),
            path("<int:pk>/start/", site.admin_view(self.start_view), name=f"{name}_start"),
            path("<int:pk>/retire/", site.admin_view(self.retire_view), name=f"{name}_retire"),
            *super().get_urls(),
        ]

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Starts it, and leads to its run."""
        drill = self._posted(request, pk)
        form_token, seen_at = token(request.POST.get("token", "")), _moment(request.POST.get("seen_at", ""))
        if form_token is None or seen_at is None:
            messages.error(request, _("This form has been used already. Open a new one."))
            return _to_drill(drill)
        try:
            run = controls.start(
                drill_id=drill.pk,
                seen_at=seen_at,
                form_token=form_token,
                by=person(request),
                origin=client_address(request),
                now=timezone.now(),
            )
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
            return _to_drill(drill)
        return _to_run(run)

    def retire_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Takes it out of use."""
        drill = self._posted(request, pk)
        try:
            editing.retire(drill_id=drill.pk, by=person(request), origin=client_address(request), now=timezone.now())
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except SteeringError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Retired. Its reports stay."))
        return _to_drill(drill)

    def _posted(self, request: HttpRequest, pk: int) -> Drill:
        if not request.user.has_perm(RUN) or request.method != "POST":
            raise PermissionDenied
        return _drill(pk)

    # --- the form -----------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new drill."""
        return self._form_view(request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The same for one that is there already; a run that is on keeps the terms it began with."""
        return self._form_view(request, _drill(pk))

    def _form_view(self, request: HttpRequest, drill: Drill | None) -> HttpResponse:
        if not request.user.has_perm(RUN):
            raise PermissionDenied
        setup = surroundings.names()
        if request.method != "POST":
            initial = fresh(person(request).username) if drill is None else initial_of(drill)
            return self._form_page(request, drill, DrillForm(initial=initial, setup=setup, is_new=drill is None))
        form = DrillForm(request.POST, setup=setup, is_new=drill is None)
        if not form.is_valid():
            return self._form_page(request, drill, form)
        try:
            saved = _save(request, drill, form)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except InvalidAction as error:
            form.show(error.faults)
            return self._form_page(request, drill, form)
        except SteeringError as error:
            form.add_error(None, str(error))
            return self._form_page(request, drill, form)
        messages.success(request, _("Saved."))
        return _to_drill(saved)

    def _form_page(self, request: HttpRequest, drill: Drill | None, form: DrillForm) -> HttpResponse:
        title = _("Write a drill") if drill is None else _("Change the drill")
        seen_at = request.POST.get("seen_at") or (drill.changed_at.isoformat() if drill is not None else "")
        return page(
            request,
            self,
            "admin_portal/drills/form.html",
            title=title,
            obj=drill,
            form=form,
            drill=drill,
            seen_at=seen_at,
        )


def _save(request: HttpRequest, drill: Drill | None, form: DrillForm) -> Drill:
    """Writes what the valid form says. Raises SteeringError."""
    by, origin, now = person(request), client_address(request), timezone.now()
    if drill is None:
        return editing.create(name=form.cleaned_data["name"], draft=form.draft(), by=by, origin=origin, now=now)
    # Without the moment it was of, the page is older than the drill.
    seen_at = _moment(request.POST.get("seen_at", "")) or drill.created_at - timedelta(days=1)
    return editing.edit(drill_id=drill.pk, seen_at=seen_at, draft=form.draft(), by=by, origin=origin, now=now)


def _drill(pk: int) -> Drill:
    drill = Drill.objects.select_related("plan").filter(pk=pk).first()
    if drill is None:
        raise Http404
    return drill


def _moment(written: str) -> Any:
    """The moment a page was of; None for what is none."""
    try:
        found = parse_datetime(written)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _to_drill(drill: Drill) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:admin_portal_drill_change", args=(drill.pk,)))


def _to_run(run: DrillRun) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:admin_portal_drillrun_change", args=(run.pk,)))
