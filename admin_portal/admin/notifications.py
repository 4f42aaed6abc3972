"""Notifications: to find one among millions, and to see what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter

from admin_portal.admin.base import ChangeList, InfinitePaginator, ReadOnlyAdmin, display, label, link, moment
from admin_portal.admin.filters import DropdownFilter
from admin_portal.desk import search, stages
from admin_portal.outcome_words import outcome
from admin_portal.priorities import WORDS, priority_word
from admin_portal.privacy import Curtain
from admin_portal.story import tell
from channels.names import CHANNELS
from notify import queries
from notify.ids import floor_id
from notify.models import Application, Batch, Delivery, DeliveryKind, DeliveryStatus, Notification

DAYS_OFFERED: Final = 8
#: Not read for a list: some are large, none is shown there.
HEAVY: Final = (
    "to",
    "params",
    "content",
    "metadata",
    "template_version__contents",
    "template_version__variables",
    "application__signing_secret",
)


class DayFilter(DropdownFilter):
    """By the day it was accepted: the range of ids of that day, so that one partition is read."""

    title = _("day")
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        today = timezone.localdate()
        days = [today - timedelta(days=offset) for offset in range(DAYS_OFFERED)]
        names = [_("today"), _("yesterday")]
        return [(day.isoformat(), names[n] if n < len(names) else day.isoformat()) for n, day in enumerate(days)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        try:
            day = date.fromisoformat(self.value() or "")
        except ValueError:
            return queryset
        start = timezone.make_aware(datetime.combine(day, datetime.min.time()))
        end = timezone.make_aware(datetime.combine(day + timedelta(days=1), datetime.min.time()))
        return queryset.filter(id__gte=floor_id(start), id__lt=floor_id(end))


class LateFilter(DropdownFilter):
    """A filter that no index serves: ``NotificationAdmin.get_search_results`` applies it, last and within bounds."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        return queryset


class StatusFilter(LateFilter):
    """By the state of a delivery."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(DeliveryStatus.choices)


class ChannelFilter(LateFilter):
    """By the channel of a delivery."""

    title = _("channel")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, name) for name in CHANNELS]


class PriorityFilter(LateFilter):
    """By priority."""

    title = _("priority")
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(WORDS.items())


class NotificationChangeList(ChangeList):
    """A page of notifications, each with its deliveries: one query more for the whole page."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Notification]:
        return super().get_queryset(request, *args, **kwargs).defer(*HEAVY)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        found = queries.deliveries_of(rows)
        for row in rows:
            row.shown_deliveries = found[row.pk]
        self.result_list = rows


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Notifications, the newest first."""

    detail_template = "admin_portal/notification.html"
    list_display = ("id", "accepted_at", "owner", "template", "shown_priority", "state", "shown_deliveries", "ref")
    list_filter = (("application", RelatedDropdownFilter), DayFilter, StatusFilter, ChannelFilter, PriorityFilter)
    list_select_related = ("application", "template_version__template")
    list_per_page = 50
    search_fields = ("id",)
    search_help_text = _("Id of a notification, delivery or batch; a reference; an application; a whole address")
    ordering = ("-id",)
    sortable_by = ()
    paginator = InfinitePaginator
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        return NotificationChangeList

    @display(description=_("accepted"))
    def accepted_at(self, notification: Notification) -> str:
        return moment(notification.created_at)

    @display(description=_("application"))
    def owner(self, notification: Notification) -> str:
        return notification.application.name

    @display(description=_("template"))
    def template(self, notification: Notification) -> str:
        version = notification.template_version
        return f"{version.template.key} v{version.number}" if version else "–"

    @display(description=_("priority"))
    def shown_priority(self, notification: Notification) -> SafeString:
        return label(notification.priority, priority_word(notification.priority))

    @display(description=_("status"))
    def state(self, notification: Any) -> SafeString:
        status = queries.notification_status(notification.shown_deliveries)
        return label(status, DeliveryStatus(status).label)

    @display(description=_("channels"))
    def shown_deliveries(self, notification: Any) -> str:
        return ", ".join(delivery.channel for delivery in notification.shown_deliveries) or "–"

    # --- finding ------------------------------------------------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """What an index finds first; then, among the newest ``queries.WINDOW`` of these, what none does."""
        found = self._find(queryset, search_term.strip())
        late = {name: request.GET.get(name) for name in ("status", "channel", "priority")}
        if any(late.values()):
            found = self._sift(found, **late)
        return found, False

    def _find(self, queryset: QuerySet[Notification], term: str) -> QuerySet[Notification]:
        if not term:
            return queryset
        try:
            identifier = UUID(term)
        except ValueError:
            return self._find_named(queryset, term)
        if Batch.objects.filter(pk=identifier).exists():
            return queryset.filter(batch_id=identifier)
        delivery = Delivery.objects.filter(pk=identifier).values_list("notification_id", flat=True).first()
        return queryset.filter(pk=delivery or identifier)

    def _find_named(self, queryset: QuerySet[Notification], term: str) -> QuerySet[Notification]:
        applications = dict(Application.objects.values_list("name", "pk"))
        if term in applications:
            return queryset.filter(application_id=applications[term])
        # Naming every application lets the index on (application, ref) serve.
        found = ~Q(ref="") & Q(ref=term, application_id__in=list(applications.values()))
        addressed = search.sent_to(term)
        return queryset.filter(found | Q(pk__in=addressed)) if addressed else queryset.filter(found)

    def _sift(
        self,
        queryset: QuerySet[Notification],
        *,
        status: str | None,
        channel: str | None,
        priority: str | None,
    ) -> QuerySet[Notification]:
        edge = queries.edge_of(queryset.order_by("-id"))
        if edge is not None:
            queryset = queryset.filter(id__gt=edge)
        if priority:
            queryset = queryset.filter(priority=priority)
        wanted = {name: value for name, value in (("status", status), ("channel", channel)) if value}
        if not wanted:
            return queryset
        deliveries = Delivery.objects.filter(
            notification_id=OuterRef("pk"), id__gte=OuterRef("pk"), kind=DeliveryKind.MESSAGE, **wanted
        )
        return queryset.filter(Exists(deliveries))

    # --- one of them --------------------------------------------------------------------------------------------------

    def detail_context(self, request: HttpRequest, obj: Notification) -> dict[str, Any]:
        """The notification, its deliveries, attempts and timeline, behind the curtain of this person's rights."""
        curtain = Curtain(request.user)
        history = queries.history(obj)
        deliveries = [d for d in history.deliveries if d.kind == DeliveryKind.MESSAGE]
        status = queries.notification_status(deliveries)
        batch = obj.batch
        content = obj.content or (batch.content if batch else None) or {}
        params = {**(batch.params if batch else {}), **obj.params}
        return {
            "state": label(status, DeliveryStatus(status).label),
            "curtain_open": curtain.open,
            "to": curtain.addresses(obj.to),
            "params": curtain.values(params),
            "content": curtain.values(content),
            "callback_url": curtain.url(obj.callback_url),
            "deliveries": [self._delivery_row(delivery, curtain) for delivery in deliveries],
            "attempts": self._attempt_rows(history.attempts, curtain),
            "story": tell(obj, history, curtain),
            "ways": stages.draw(obj, history.deliveries, history.attempts, now=timezone.now()),
            "application": link("notify_application", obj.application_id, obj.application),
            "batch": link("notify_batch", obj.batch_id, obj.batch_id) if obj.batch_id else None,
        }

    def _delivery_row(self, delivery: Delivery, curtain: Curtain) -> dict[str, Any]:
        error = (outcome(delivery.error_code), curtain.text(delivery.error_detail))
        return {
            "delivery": delivery,
            "to": curtain.address(delivery.channel, delivery.address),
            "state": label(delivery.status, DeliveryStatus(delivery.status).label),
            "error": ": ".join(part for part in error if part),
        }

    def _attempt_rows(self, attempts: Sequence[Any], curtain: Curtain) -> list[dict[str, Any]]:
        return [
            {
                "attempt": attempt,
                "outcome": label("sent" if attempt.outcome == "sent" else "failed", outcome(attempt.outcome)),
                "error": curtain.text(attempt.error_detail),
            }
            for attempt in attempts
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        return super().get_queryset(request).select_related("application", "batch", "template_version__template")
