"""The dead-letter desk: what could not be delivered, why, and what is to become of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import CappedPaginator, display, label, link, moment, page
from admin_portal.admin.deciding import FRESH_START, DecidingAdmin, Verb
from admin_portal.admin.filters import ApplicationFilter, ChannelFilter, DropdownFilter, FieldFilter, ProviderFilter
from admin_portal.desk import groups
from admin_portal.desk.selection import DEAD_LETTER_CRITERIA
from admin_portal.models.desk import JobKind
from admin_portal.outcome_words import outcome
from admin_portal.privacy import Curtain
from notify import burials
from notify.models import DeadLetter
from notify.models.dead_letter import DeadLetterState

#: Why a message is given up.
REASONS: Final = ("attempts_used_up", "deadline", "step_deadline")


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
        return [(code, outcome(code)) for code in REASONS]


REPLAY: Final = Verb(
    kind=JobKind.REPLAY,
    question=_("Send these dead letters again?"),
    button=_("Replay"),
    note=FRESH_START,
)
DISCARD: Final = Verb(
    kind=JobKind.DISCARD,
    question=_("Discard these dead letters?"),
    button=_("Discard"),
    note=_("They will not be sent, whatever happens. Their history is kept."),
    danger=True,
)


@admin.register(DeadLetter)
class DeadLetterAdmin(DecidingAdmin):
    """Dead letters."""

    detail_template = "admin_portal/dead_letter.html"
    list_before_template = "admin_portal/desk/tabs.html"
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
    criteria = DEAD_LETTER_CRITERIA
    noun = "dead_letters"
    kinds = ("channel", "reason")

    @display(description=_("reason"))
    def shown_reason(self, letter: DeadLetter) -> SafeString:
        return label("failed", self.kind_label(letter.reason))

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
            "reason": self.kind_label(obj.reason),
            "detail": curtain.text(obj.detail),
            "state": label(obj.state, obj.get_state_display()),
            "notification": link("notify_notification", obj.notification_id, obj.notification_id),
            "application": link("notify_application", obj.application_id, obj.application),
            "attempts": [
                {
                    "attempt": attempt,
                    "outcome": label("sent" if attempt.outcome == "sent" else "failed", outcome(attempt.outcome)),
                    "error": curtain.text(attempt.error_detail),
                }
                for attempt in attempts
            ],
            "may_resolve": obj.state == DeadLetterState.OPEN and self.has_resolve_permission(request),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }

    # --- in groups ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.groups_view)
        return [path("groups/", view, name="notify_deadletter_groups"), *super().get_urls()]

    def groups_view(self, request: HttpRequest) -> HttpResponse:
        """The open ones by reason, provider, channel and application, the largest group first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = groups.open_groups()
        context: dict[str, Any] = {
            "groups": [(group, self.kind_label(group.reason)) for group in found.groups],
            "more": found.more,
            "total": sum(group.count for group in found.groups),
            "may_resolve": self.has_resolve_permission(request),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return page(request, self, "admin_portal/desk/groups.html", title=_("Dead letters"), **context)

    # --- doing something about it -------------------------------------------------------------------------------------

    def kind_label(self, value: str) -> Any:
        return outcome(value)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Replaying and discarding are the only changes there are."""
        return request.user.has_perm("notify.change_deadletter")

    def undecided(self, rows: QuerySet[Any], before: datetime) -> QuerySet[Any]:
        return rows.filter(state=DeadLetterState.OPEN, created_at__lt=before)

    @admin.action(description=_("Replay"), permissions=["resolve"])
    def replay(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Sends them again, after a question."""
        return self.decide(request, queryset, REPLAY)

    @admin.action(description=_("Discard"), permissions=["resolve"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        """Gives them up, after a question."""
        return self.decide(request, queryset, DISCARD)
