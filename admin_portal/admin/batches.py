"""Batches: how far each has got."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter

from admin_portal.admin.base import CappedPaginator, ReadOnlyAdmin, display, label, link, moment
from notify.ids import floor_id
from notify.models import Batch, Delivery, DeliveryKind, DeliveryStatus
from notify.models.delivery import IN_FLIGHT

FAILURES = (DeliveryStatus.FAILED, DeliveryStatus.DEAD, DeliveryStatus.EXPIRED)


def counts(batch: Batch) -> dict[str, dict[str, int]]:
    """The batch's deliveries by channel and state."""
    rows = (
        Delivery.objects.filter(batch_id=batch.pk, id__gte=floor_id(batch.created_at), kind=DeliveryKind.MESSAGE)
        .values_list("channel", "status")
        .annotate(Count("id"))
        .order_by("channel", "status")
    )
    found: dict[str, dict[str, int]] = {}
    for channel, status, count in rows:
        found.setdefault(channel, {})[status] = count
    return found


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """Batches."""

    detail_template = "admin_portal/batch.html"
    list_display = ("id", "shown_application", "accepted", "rejected", "shown_created", "shown_cancelled")
    list_filter = (("application", RelatedDropdownFilter),)
    list_select_related = ("application",)
    search_fields = ("id",)
    search_help_text = _("A batch's id, or an application")
    ordering = ("-id",)
    paginator = CappedPaginator
    actions = None

    @display(description=_("application"))
    def shown_application(self, batch: Batch) -> SafeString:
        return link("notify_application", batch.application_id, batch.application)

    @display(description=_("created at"), ordering="id")
    def shown_created(self, batch: Batch) -> str:
        return moment(batch.created_at)

    @display(description=_("cancelled at"))
    def shown_cancelled(self, batch: Batch) -> str:
        return moment(batch.cancelled_at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Batch], search_term: str
    ) -> tuple[QuerySet[Batch], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(term)), False
        except ValueError:
            return queryset.filter(application__name=term), False

    def detail_context(self, request: HttpRequest, obj: Batch) -> dict[str, Any]:
        """The batch's deliveries by channel and state; complete only when all are terminal, failures apart."""
        by_channel = counts(obj)
        total = sum(sum(states.values()) for states in by_channel.values())
        in_flight = sum(states.get(status, 0) for states in by_channel.values() for status in IN_FLIGHT)
        failed = sum(states.get(status, 0) for states in by_channel.values() for status in FAILURES)
        names = dict(DeliveryStatus.choices)
        tables = {
            channel: [(label(status, names[status]), count) for status, count in states.items()]
            for channel, states in by_channel.items()
        }
        done = 100 * (total - in_flight) // total if total else 100
        return {"tables": tables, "total": total, "in_flight": in_flight, "failed": failed, "done": done}
