"""The audit's pages: who changed what, with what it was before; and the same as a file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from admin_portal import audit
from admin_portal.admin.base import InfinitePaginator, ReadOnlyAdmin, display, label, moment
from admin_portal.admin.filters import FieldFilter
from admin_portal.audit import export, naming, reading
from admin_portal.models import AuditEntry

if TYPE_CHECKING:
    TextFilter = admin.SimpleListFilter
    RangeDateTimeFilter = admin.FieldListFilter
else:
    from unfold.contrib.filters.admin import RangeDateTimeFilter, TextFilter

EXPORT = "admin_portal.export_audit"


class ActionFilter(FieldFilter):
    """By what was done."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(((name, naming.named(name)) for name in reading.actions()), key=lambda choice: choice[1])


class ExactFilter(TextFilter):
    """Rows whose ``parameter_name`` column is exactly what was typed: an index serves that."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        typed = (self.value() or "").strip()
        return queryset.filter(**{str(self.parameter_name): typed}) if typed else queryset


class ActorFilter(ExactFilter):
    """By who did it."""

    title = _("actor")
    parameter_name = "actor"


class TargetFilter(ExactFilter):
    """By what it was done to."""

    title = _("target")
    parameter_name = "target"


class TimeFilter(RangeDateTimeFilter):
    """By time, in the portal's time zone. What is no time finds nothing, and not everything."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        try:
            start, end = self._edge("from", time.min), self._edge("to", time.max)
        except ValueError:
            return queryset.none()
        if start is not None:
            queryset = queryset.filter(at__gte=start)
        return queryset if end is None else queryset.filter(at__lte=end)

    def _edge(self, name: str, otherwise: time) -> datetime | None:
        """One end of the range; a day alone is the whole day. Raises ValueError."""
        day, hour = (str(self.used_parameters.get(f"at_{name}_{part}") or "").strip() for part in (0, 1))
        if not day:
            return None
        at = time.fromisoformat(hour) if hour else otherwise
        return timezone.make_aware(datetime.combine(date.fromisoformat(day), at.replace(tzinfo=None)))


#: How an action looks: by its last word.
_KINDS = {
    "failed": "failed",
    "rejected": "failed",
    "revoked": "dead",
    "deleted": "dead",
    "removed": "dead",
    "discarded": "dead",
    "created": "sent",
    "approved": "sent",
    "succeeded": "sent",
    "changed": "degraded",
    "published": "degraded",
}


def shown_action(action: str) -> SafeString:
    """An action as a label, in words."""
    return label(_KINDS.get(action.replace("_", ".").rpartition(".")[2], ""), naming.named(action))


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit."""

    detail_template = "admin_portal/audit_entry.html"
    change_list_template = "admin_portal/audit_list.html"
    list_display = ("number", "shown_at", "who", "action_label", "target", "shown_reason")
    list_display_links = ("number", "shown_at")
    list_filter = (ActionFilter, ActorFilter, TargetFilter, ("at", TimeFilter))
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("number",)
    search_help_text = _("A number, or any text. Without a time range the newest 200,000 entries are searched.")
    ordering = ("-number",)
    sortable_by = ()
    paginator = InfinitePaginator
    actions = None

    @display(description=_("time"))
    def shown_at(self, entry: AuditEntry) -> str:
        return moment(entry.at)

    @display(description=_("actor"))
    def who(self, entry: AuditEntry) -> SafeString:
        """Who did it, and from where."""
        return format_html('{} <span class="portal-subtle">{}</span>', entry.actor, entry.origin)

    @display(description=_("action"))
    def action_label(self, entry: AuditEntry) -> SafeString:
        return shown_action(entry.action)

    @display(description=_("reason"))
    def shown_reason(self, entry: AuditEntry) -> str:
        reason = reading.reason(entry)
        return reason if len(reason) <= 80 else f"{reason[:79]}…"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        term = search_term.strip()
        narrow = any(request.GET.get(f"at_{edge}_0") for edge in ("from", "to"))
        return (reading.search(queryset, term, everywhere=narrow) if term else queryset), False

    def title(self, obj: AuditEntry) -> str:
        return f"{naming.named(obj.action)}: {obj.target}"

    def detail_context(self, request: HttpRequest, obj: AuditEntry) -> dict[str, Any]:
        """What was changed, and where to look on."""
        changelist = reverse("admin:admin_portal_auditentry_changelist")
        return {
            "label": shown_action(obj.action),
            "at": moment(obj.at),
            "changes": reading.changes(obj),
            "reason": reading.reason(obj),
            "same_target": f"{changelist}?{urlencode({'target': obj.target})}",
            "same_actor": f"{changelist}?{urlencode({'actor': obj.actor})}",
        }

    # --- as a file ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        formats = [] if not request.user.has_perm(EXPORT) else list(export.FORMATS)
        return super().changelist_view(request, {**(extra_context or {}), "formats": formats})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/<str:kind>/", view, name="admin_portal_auditentry_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The list, with its filters, as a file. That somebody took it is in the audit as well."""
        if not (request.user.has_perm(EXPORT) and self.has_view_permission(request)):
            raise PermissionDenied
        if kind not in export.FORMATS:
            raise Http404
        now = timezone.now()
        rows = self.get_changelist_instance(request).get_queryset(request)
        with transaction.atomic():
            taken = audit.record(
                actor=request.user.get_username(),
                action="audit.exported",
                target=f"audit:{kind}",
                after={"filters": request.GET.dict()},
                now=now,
            )
        lines: Iterable[str] = export.FORMATS[kind].write(rows.filter(number__lte=taken.number))
        response = StreamingHttpResponse(lines, content_type=export.FORMATS[kind].content_type)
        response["Content-Disposition"] = f'attachment; filename="goutong-audit-{now:%Y%m%dT%H%M%SZ}.{kind}"'
        response["Cache-Control"] = "no-store"
        return response
