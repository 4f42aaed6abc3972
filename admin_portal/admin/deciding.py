"""Lists of what waits for a decision: about those that are ticked at once, about all that match in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from admin_portal import audit
from admin_portal.admin.base import ReadOnlyAdmin, page
from admin_portal.desk import jobs
from admin_portal.desk.selection import NOBODY, Selection
from admin_portal.models.desk import JobKind

KINDS_SHOWN: Final = 20
#: How many are decided on while their judge waits.
AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that can be decided, as it is asked about. What it does is in ``jobs.ACTS``."""

    kind: JobKind
    question: Any
    button: Any
    note: Any
    danger: bool = False


class DecidingAdmin(ReadOnlyAdmin):
    """A list with verbs. ``criteria``: the parameters of the list that a background job understands. ``noun``: in the
    audit. ``kinds``: by which columns the question breaks down what is meant."""

    criteria: ClassVar[Mapping[str, str]] = {}
    noun: ClassVar[str] = ""
    kinds: ClassVar[tuple[str, str]] = ("channel", "provider")

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Who may decide."""
        raise NotImplementedError

    def undecided(self, rows: QuerySet[Any], before: datetime) -> QuerySet[Any]:
        """Those of ``rows`` that wait, and did before then."""
        raise NotImplementedError

    def kind_label(self, value: str) -> Any:
        """How the second of ``kinds`` is shown."""
        return value

    def decide(self, request: HttpRequest, queryset: QuerySet[Any], verb: Verb) -> HttpResponse:
        """Asks first, and does it then."""
        if not self.has_resolve_permission(request):
            raise PermissionDenied
        before = parse_datetime(request.POST.get("before", "")) or timezone.now()
        rows = self.undecided(queryset, before)
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, rows, verb, before)
        chosen = self._chosen_criteria(request)
        if chosen is not None:
            return self._start(request, verb, Selection(criteria=chosen, before=before))
        self._do(request, list(rows.values_list("pk", flat=True)[:AT_ONCE]), verb)
        return HttpResponseRedirect(request.get_full_path())

    def _chosen_criteria(self, request: HttpRequest) -> dict[str, Any] | None:
        """What all that match the list have in common; None: those ticked are meant, or those that a search found."""
        if request.POST.get("select_across") != "1" or request.GET.get("q"):
            return None
        given = {name: request.GET[name] for name in self.criteria if request.GET.get(name)}
        return {name: "" if value == NOBODY else value for name, value in given.items()}

    def _start(self, request: HttpRequest, verb: Verb, selection: Selection) -> HttpResponse:
        job = jobs.start(
            kind=verb.kind,
            selection=selection,
            author=request.user.get_username(),
            origin=request.META.get("REMOTE_ADDR", ""),
            now=timezone.now(),
        )
        return HttpResponseRedirect(reverse("admin:admin_portal_deskjob_change", args=(job.pk,)))

    def _do(self, request: HttpRequest, ids: Sequence[UUID], verb: Verb) -> None:
        actor, now = request.user.get_username(), timezone.now()
        with transaction.atomic():
            done = jobs.ACTS[verb.kind](ids, actor, now)
            audit.record(
                actor=actor,
                origin=request.META.get("REMOTE_ADDR", ""),
                action=f"desk.{verb.kind.value}",
                target=self.noun,
                after={"ids": [str(one) for one in ids], "done": done},
                now=now,
            )
        text = ngettext("%(done)d of %(count)d done.", "%(done)d of %(count)d done.", len(ids))
        messages.success(request, text % {"done": done, "count": len(ids)})
        if done < len(ids):
            text = ngettext(
                "%(count)d was passed over: it is under way again, or somebody was quicker.",
                "%(count)d were passed over: they are under way again, or somebody was quicker.",
                len(ids) - done,
            )
            messages.warning(request, text % {"count": len(ids) - done})

    def _ask(self, request: HttpRequest, rows: QuerySet[Any], verb: Verb, before: datetime) -> HttpResponse:
        kinds = rows.order_by().values_list(*self.kinds).annotate(number=Count("pk")).order_by("-number")
        found = [(first, self.kind_label(second), count) for first, second, count in kinds]
        return page(
            request,
            self,
            "admin_portal/resolve.html",
            title=verb.question,
            verb=verb,
            kinds=found[:KINDS_SHOWN],
            count=sum(count for _first, _second, count in found),
            in_background=self._chosen_criteria(request) is not None,
            before=before.isoformat(),
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across", "0"),
            checkbox_name=ACTION_CHECKBOX_NAME,
            back=request.get_full_path(),
        )


#: What is left of a list, said where it is asked about.
FRESH_START: Final = _("Each starts over with fresh attempts and fresh time; its old attempts are kept.")
