"""The dead-letter desk: what could not be delivered, why, and what is to become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from admin_portal.admin.base import CappedPaginator, ReadOnlyAdmin, display, label, link, moment, page
from admin_portal.admin.filters import ChannelFilter, DropdownFilter, FieldFilter
from admin_portal.privacy import Curtain
from channels.models import Provider
from notify import burials, dead_letters
from notify.models import Application, DeadLetter
from notify.models.dead_letter import DeadLetterState

REASONS: Final[dict[str, Any]] = {
    "attempts_used_up": _("attempts used up"),
    "deadline": _("no time left"),
    "step_deadline": _("its channel's time was over"),
}
KINDS_SHOWN: Final = 20


class StateFilter(DropdownFilter):
    """By what was done about it; what is open, unless told otherwise."""

    title = _("state")
    parameter_name = "state"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*DeadLetterState.choices, ("all", _("All"))]

    def value(self) -> str:
        return super().value() or DeadLetterState.OPEN.value

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        return queryset if self.value() == "all" else queryset.filter(state=self.value())


class ReasonFilter(FieldFilter):
    """By why it was given up."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(REASONS.items())


class ProviderFilter(FieldFilter):
    """By the provider that was asked last."""

    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in Provider.objects.order_by("name").values_list("name", flat=True)]


class ApplicationFilter(FieldFilter):
    """By application."""

    title = _("application")
    parameter_name = "application"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Application.objects.order_by("name").values_list("pk", "name")]


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that can be done about dead letters."""

    name: str
    question: Any
    button: Any
    run: Callable[..., Any]
    danger: bool


REPLAY: Final = Verb(
    "replay", _("Send these dead letters again?"), _("Replay"), lambda **k: dead_letters.replay(**k), danger=False
)
DISCARD: Final = Verb(
    "discard", _("Discard these dead letters?"), _("Discard"), lambda **k: dead_letters.discard(**k), danger=True
)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Dead letters."""

    detail_template = "admin_portal/dead_letter.html"
    list_display = (
        "buried_at",
        "shown_reason",
        "channel",
        "provider",
        "owner",
        "attempts",
        "shown_state",
        "shown_notification",
    )
    list_filter = (StateFilter, ReasonFilter, ChannelFilter, ProviderFilter, ApplicationFilter)
    list_select_related = ("application",)
    search_fields = ("delivery_id",)
    search_help_text = _("Id of a dead letter, delivery or notification")
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    actions = ("replay", "discard")

    @display(description=_("reason"))
    def shown_reason(self, letter: DeadLetter) -> SafeString:
        return label("failed", REASONS.get(letter.reason, letter.reason))

    @display(description=_("application"))
    def owner(self, letter: DeadLetter) -> str:
        return letter.application.name

    @display(description=_("buried at"))
    def buried_at(self, letter: DeadLetter) -> str:
        return moment(letter.created_at)

    @display(description=_("state"))
    def shown_state(self, letter: DeadLetter) -> SafeString:
        return label(letter.state, letter.get_state_display())

    @display(description=_("notification"))
    def shown_notification(self, letter: DeadLetter) -> SafeString:
        return link("notify_notification", letter.notification_id, letter.notification_id)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            identifier = UUID(term)
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(pk=identifier) | Q(notification_id=identifier) | Q(delivery_id=identifier)), False

    def detail_context(self, request: HttpRequest, obj: DeadLetter) -> dict[str, Any]:
        """The letter and the history of its delivery's attempts."""
        curtain = Curtain(request.user)
        attempts = burials.attempts_of([obj])[obj.delivery_id]
        return {
            "reason": REASONS.get(obj.reason, obj.reason),
            "detail": curtain.text(obj.detail),
            "state": label(obj.state, obj.get_state_display()),
            "notification": link("notify_notification", obj.notification_id, obj.notification_id),
            "application": link("notify_application", obj.application_id, obj.application),
            "attempts": [
                {
                    "attempt": attempt,
                    "outcome": label("sent" if attempt.outcome == "sent" else "failed", attempt.outcome),
                    "error": curtain.text(attempt.error_detail),
                }
                for attempt in attempts
            ],
            "may_resolve": obj.state == DeadLetterState.OPEN and self.has_resolve_permission(request),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }

    # --- doing something about it -------------------------------------------------------------------------------------

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Replaying and discarding are the only changes there are."""
        return request.user.has_perm("notify.change_deadletter")

    @admin.action(description=_("Replay"), permissions=["resolve"])
    def replay(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Sends them again, after a question."""
        return self._resolve(request, queryset, REPLAY)

    @admin.action(description=_("Discard"), permissions=["resolve"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Gives them up, after a question."""
        return self._resolve(request, queryset, DISCARD)

    def _resolve(self, request: HttpRequest, queryset: QuerySet[DeadLetter], verb: Verb) -> HttpResponse:
        queryset = queryset.filter(state=DeadLetterState.OPEN)
        before = parse_datetime(request.POST.get("before", "")) or timezone.now()
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, queryset.filter(created_at__lt=before), verb, before)
        targets = self._targets(request, queryset, before)
        outcome = verb.run(**targets, actor=request.user.get_username(), now=timezone.now())
        self._report(request, outcome)
        return HttpResponseRedirect(request.get_full_path())

    def _report(self, request: HttpRequest, outcome: dead_letters.Resolution) -> None:
        text = ngettext("%(done)d of %(count)d done.", "%(done)d of %(count)d done.", outcome.matched)
        messages.success(request, text % {"done": outcome.done, "count": outcome.matched})
        if outcome.skipped:
            text = ngettext(
                "%(count)d was passed over: its delivery is under way again, or somebody was quicker.",
                "%(count)d were passed over: their deliveries are under way again, or somebody was quicker.",
                len(outcome.skipped),
            )
            messages.warning(request, text % {"count": len(outcome.skipped)})

    def _ask(self, request: HttpRequest, queryset: QuerySet[DeadLetter], verb: Verb, before: datetime) -> HttpResponse:
        kinds = queryset.order_by().values_list("channel", "reason").annotate(number=Count("id")).order_by("-number")
        rows = [(channel, REASONS.get(reason, reason), count) for channel, reason, count in kinds]
        return page(
            request,
            self,
            "admin_portal/resolve.html",
            title=verb.question,
            verb=verb,
            kinds=rows[:KINDS_SHOWN],
            count=sum(count for _channel, _reason, count in rows),
            before=before.isoformat(),
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across", "0"),
            checkbox_name=ACTION_CHECKBOX_NAME,
        )

    def _targets(self, request: HttpRequest, queryset: QuerySet[DeadLetter], before: datetime) -> dict[str, Any]:
        """Which letters are meant: those ticked, or all that match the list's filters and were there when asked."""
        plain = not request.GET.get("q") and request.GET.get("state", "") in ("", DeadLetterState.OPEN, "all")
        if request.POST.get("select_across") != "1" or not plain:
            return {"ids": list(queryset.filter(created_at__lt=before).values_list("pk", flat=True))}
        application = request.GET.get("application")
        where = dead_letters.DeadLetterFilter(
            channel=request.GET.get("channel") or None,
            reason=request.GET.get("reason") or None,
            provider=request.GET.get("provider") or None,
            created_before=before,
        )
        return {"application": Application.objects.get(pk=application) if application else None, "where": where}
