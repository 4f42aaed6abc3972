"""Held messages: nobody knows whether they were sent. A person finds out, and says what is to become of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import CappedPaginator, ChangeList, display, link, moment
from admin_portal.admin.deciding import FRESH_START, DecidingAdmin, Verb
from admin_portal.admin.filters import ApplicationFilter, ChannelFilter, FieldFilter, ProviderFilter
from admin_portal.desk.selection import HELD_CRITERIA
from admin_portal.engine_words import told
from admin_portal.models.desk import HeldDelivery, JobKind
from admin_portal.outcome_words import outcome
from admin_portal.privacy import Curtain
from channels.errors import InternalFault, OutcomeUnknown
from notify.models import DeliveryKind, DeliveryStatus

RESOLVE_HELD: Final = "admin_portal.resolve_held"
#: Why a message is held.
WHY: Final = (OutcomeUnknown.code, InternalFault.code)


class WhyFilter(FieldFilter):
    """By why it is held."""

    title = _("reason")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(code, outcome(code)) for code in WHY]


RESEND: Final = Verb(
    kind=JobKind.RESEND,
    question=_("Send these held messages again?"),
    button=_("Send again"),
    note=FRESH_START,
    danger=True,
)
MARK_SENT: Final = Verb(
    kind=JobKind.MARK_SENT,
    question=_("Mark these held messages as sent?"),
    button=_("Mark as sent"),
    note=_("They will not be sent again, and their applications are told that they were sent."),
)


class HeldChangeList(ChangeList):
    """A page of held messages, as much of each address as this person may see."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        curtain = Curtain(request.user)
        self.result_list = list(self.result_list)
        for row in self.result_list:
            row.shown_to = curtain.address(row.channel, row.address)
            row.shown_detail = curtain.text(row.error_detail)


@admin.register(HeldDelivery)
class HeldAdmin(DecidingAdmin):
    """Held messages."""

    list_before_template = "admin_portal/desk/held_note.html"
    list_display = ("since", "channel", "to", "provider", "owner", "why", "detail", "shown_notification")
    list_display_links = None
    list_filter = (ChannelFilter, ProviderFilter, ApplicationFilter, WhyFilter)
    list_select_related = ("application",)
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    actions = ("resend", "mark_sent")
    criteria = HELD_CRITERIA
    noun = "held_messages"

    def get_queryset(self, request: HttpRequest) -> QuerySet[HeldDelivery]:
        return super().get_queryset(request).filter(status=DeliveryStatus.HELD).defer("payload")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        return HeldChangeList

    @display(description=_("held since"))
    def since(self, row: HeldDelivery) -> str:
        return moment(row.finished_at)

    @display(description=_("to"))
    def to(self, row: Any) -> str:
        return str(row.shown_to)

    @display(description=_("application"))
    def owner(self, row: HeldDelivery) -> str:
        return row.application.name

    @display(description=_("reason"))
    def why(self, row: HeldDelivery) -> Any:
        if row.kind == DeliveryKind.CALLBACK:
            return _("status callback")
        return outcome(row.error_code)

    @display(description=_("detail"))
    def detail(self, row: Any) -> str:
        return told(str(row.shown_detail)) or "–"

    @display(description=_("notification"))
    def shown_notification(self, row: HeldDelivery) -> SafeString:
        return link("notify_notification", row.notification_id, row.notification_id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("notify.view_delivery") or self.has_resolve_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """A permission of its own: who sends again may send twice."""
        return request.user.has_perm(RESOLVE_HELD)

    def undecided(self, rows: QuerySet[Any], before: datetime) -> QuerySet[Any]:
        return rows.filter(status=DeliveryStatus.HELD, finished_at__lt=before)

    @admin.action(description=_("Send again"), permissions=["resolve"])
    def resend(self, request: HttpRequest, queryset: QuerySet[HeldDelivery]) -> HttpResponse:
        """Sends them again, after a question."""
        return self.decide(request, queryset, RESEND)

    @admin.action(description=_("Mark as sent"), permissions=["resolve"])
    def mark_sent(self, request: HttpRequest, queryset: QuerySet[HeldDelivery]) -> HttpResponse:
        """Ends them as sent, after a question."""
        return self.decide(request, queryset, MARK_SENT)
