"""What the pages have in common: django-unfold's classes with types, read-only pages, and paging without COUNT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.paginator import InfinitePaginator as UnfoldInfinitePaginator

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    BasePaginator = Paginator[Any]
    BaseChangeList = DjangoChangeList
    Method = TypeVar("Method", bound=Callable[..., Any])
    display = admin.display

    def action(
        *, description: Any, icon: str, permissions: list[str], url_path: str, variant: Any = None
    ) -> Callable[[Method], Method]:
        """django-unfold's decorator, with types: a page about one object, with a button on that object's page."""

else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.decorators import action, display
    from unfold.views import ChangeList as BaseChangeList

    BasePaginator = Paginator

__all__ = [
    "CappedPaginator",
    "ChangeList",
    "InfinitePaginator",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "TabularInline",
    "action",
    "display",
    "label",
    "link",
    "moment",
    "page",
]

#: How a state looks wherever it is shown: the kinds of django-unfold's labels.
KINDS: Mapping[str, str] = {
    "scheduled": "info",
    "queued": "info",
    "sending": "primary",
    "sent": "success",
    "delivered": "success",
    "failed": "danger",
    "dead": "danger",
    "expired": "warning",
    "cancelled": "",
    "suppressed": "",
    "held": "warning",
    "open": "danger",
    "replayed": "success",
    "discarded": "",
    "critical": "danger",
    "normal": "",
    "bulk": "",
    "vip": "primary",
    "healthy": "success",
    "degraded": "warning",
    "recovering": "info",
    "disabled": "",
}


def label(value: str, text: Any = None) -> SafeString:
    """A coloured label for a state; ``text`` is what it says when that is not the state's own name."""
    context = {"text": value if text is None else text, "type": KINDS.get(value, "")}
    return render_to_string("unfold/helpers/label.html", context)


def link(url_name: str, pk: Any, text: Any) -> SafeString:
    """A link to an object's page, such as ``link("notify_batch", batch.pk, batch)``."""
    return format_html('<a class="text-link" href="{}">{}</a>', reverse(f"admin:{url_name}_change", args=(pk,)), text)


def moment(at: datetime | None) -> str:
    """A time to the second, in the current time zone, the same in every language."""
    return f"{localtime(at):%Y-%m-%d %H:%M:%S}" if at else "–"


def page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    template: str,
    *,
    title: Any,
    obj: Model | None = None,
    **context: Any,
) -> TemplateResponse:
    """A page of our own in the admin's frame. Never kept by a browser's cache: some of these pages show secrets."""
    request.current_app = model_admin.admin_site.name
    response = TemplateResponse(
        request,
        template,
        {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.model._meta,
            "original": obj,
            "title": title,
            "model_admin": model_admin,
            **context,
        },
    )
    response["Cache-Control"] = "no-store"
    return response


class InfinitePaginator(UnfoldInfinitePaginator):  # type: ignore[misc]  # django-unfold has no types
    """Previous and next, without counting millions of rows; the last page is far, and people narrow the list first.

    django-unfold's templates know it by the name of its class.
    """

    PAGES = 200

    @cached_property
    def count(self) -> int:
        return int(self.per_page) * self.PAGES


class CappedPaginator(BasePaginator):
    """Counts, but no further than anybody would page."""

    CAP = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: self.CAP].count()
        return len(rows)


class ChangeList(BaseChangeList):
    """A list whose whole table is never counted."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.full_result_count is None:
            # Unequal counts make django-unfold's header offer "Show all", which is no offer for millions.
            self.full_result_count = self.result_count


class ReadOnlyAdmin(ModelAdmin):
    """What can be looked at and not touched. Its detail page is a template of its own (``detail_template``)."""

    detail_template = ""
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # facets are a COUNT for each choice of each filter

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        return ChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The detail page. Raises Http404 for an unknown id and PermissionDenied without the view permission, and for
        a POST: there is nothing to save."""
        if not self.detail_template:
            return super().change_view(request, object_id, form_url, extra_context)
        obj = self.get_object(request, object_id)
        if not self.has_view_permission(request, obj) or request.method == "POST":
            raise PermissionDenied
        if obj is None:
            raise Http404
        return page(
            request, self, self.detail_template, title=self.title(obj), obj=obj, **self.detail_context(request, obj)
        )

    def title(self, obj: Any) -> str:
        """What the detail page is headed with."""
        return str(obj)

    def detail_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What ``detail_template`` shows besides the object."""
        return {}


class ReadOnlyInline(TabularInline):
    """Rows of another table, to look at."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
