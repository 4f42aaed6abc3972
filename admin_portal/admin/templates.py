"""Templates: what they say, every version of it, and a place to try them out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter

from admin_portal.admin.base import ModelAdmin, ReadOnlyInline, action, display, label, moment, page
from admin_portal.contents import slots
from admin_portal.template_form import PreviewForm, TemplateForm, form_class, sample
from notify import templating
from notify.errors import NotifyError
from notify.models import Template, TemplateVersion

VERSIONS_SHOWN = 50


class VersionInline(ReadOnlyInline):
    """Every version, the newest first."""

    model = TemplateVersion
    fields = ("shown_number", "shown_slots", "default_locale", "author", "shown_created")
    readonly_fields = fields
    ordering = ("-number",)
    per_page = 10
    verbose_name_plural = _("versions")

    @display(description=_("version"))
    def shown_number(self, version: TemplateVersion) -> str:
        return f"v{version.number}"

    @display(description=_("contents"))
    def shown_slots(self, version: TemplateVersion) -> str:
        return ", ".join(slot.key for slot in slots(version.contents))

    @display(description=_("created at"))
    def shown_created(self, version: TemplateVersion) -> str:
        return moment(version.created_at)


@admin.register(Template)
class TemplateAdmin(ModelAdmin):
    """Templates. Saving one publishes a new version."""

    inlines = (VersionInline,)
    list_display = ("key", "owner", "category", "version", "shown_channels", "locales", "updated")
    list_filter = (("application", RelatedDropdownFilter), "category")
    list_select_related = ("application", "current")
    search_fields = ("key", "category", "application__name")
    ordering = ("key", "application_id")
    actions = None
    actions_detail = ("preview",)
    change_form_show_cancel_button = True

    @display(description=_("application"), ordering="application__name")
    def owner(self, template: Template) -> Any:
        return template.application or _("every application")

    @display(description=_("version"))
    def version(self, template: Template) -> str:
        return f"v{template.current.number}" if template.current else "–"

    @display(description=_("channels"))
    def shown_channels(self, template: Template) -> SafeString | str:
        names = list(template.current.contents) if template.current else []
        return SafeString(" ".join(label(name) for name in names)) or "–"

    @display(description=_("locales"))
    def locales(self, template: Template) -> str:
        contents = template.current.contents if template.current else {}
        return ", ".join(sorted({slot.locale for slot in slots(contents)})) or "–"

    @display(description=_("updated at"), ordering="updated_at")
    def updated(self, template: Template) -> str:
        return moment(template.updated_at)

    @display(description=_("contents"))
    def shown_contents(self, template: Template) -> SafeString:
        contents = template.current.contents if template.current else {}
        parts = [(slot, contents[slot.channel][slot.locale]) for slot in slots(contents)]
        return render_to_string("admin_portal/contents.html", {"parts": parts})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was sent with a template must stay explicable: templates are not deleted."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Template | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("application", "key") if self.has_change_permission(request, obj) else ("shown_contents",)

    def get_form(
        self, request: HttpRequest, obj: Template | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        return super().get_form(request, obj, change, form=form_class(obj.current if obj else None), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Template | None = None) -> list[Any]:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["application", "key", "category", "shown_contents"]})]
        groups: list[Any] = [(None, {"fields": ["application", "key", "category", "default_locale"]})]
        for slot in slots(obj.current.contents) if obj and obj.current else ():
            fields = [*(slot.field(part) for part in slot.parts), slot.removal]
            groups.append((f"{slot.channel} · {slot.locale}", {"fields": fields}))
        title = _("A further content") if groups[1:] else _("Content")
        fields = ["new_channel", "new_locale", "new_subject", "new_text", "new_html"]
        groups.append((title, {"fields": fields, "classes": ["collapse"] if groups[1:] else []}))
        return groups

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"default_locale": "en"}

    def save_model(self, request: HttpRequest, obj: Template, form: TemplateForm, change: bool) -> None:
        """Publishes; what is the same as before makes no new version."""
        version = templating.publish(
            application=obj.application,
            key=obj.key,
            category=form.cleaned_data["category"],
            contents=form.contents,
            default_locale=form.cleaned_data["default_locale"],
            author=request.user.get_username(),
            now=timezone.now(),
        )
        obj.pk = version.template_id
        obj.current = version

    @action(description=_("Preview"), icon="visibility", permissions=["view"], url_path="preview")
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Renders a version with parameters that this person makes up. Nothing is sent or stored."""
        template = self.get_object(request, object_id)
        if template is None or template.current is None:
            raise Http404
        versions = self._versions(template)
        numbers = [version.number for version in versions]
        chosen = self._chosen(versions, request.POST.get("version") or request.GET.get("version"))
        initial = {"version": chosen.number, "params": sample(chosen)}
        form = PreviewForm(request.POST or None, numbers=numbers, version=chosen, initial=initial)
        rendered: Any = None
        faults: list[Any] = []
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            rendered, faults = self._render(chosen, data["slot"], data["params"])
        title = _("Preview of %(key)s") % {"key": template.key}
        context = {"form": form, "rendered": rendered, "faults": faults, "version": chosen}
        return page(request, self, "admin_portal/preview.html", title=title, obj=template, **context)

    def _render(self, version: TemplateVersion, slot: str, params: dict[str, Any]) -> tuple[Any, list[Any]]:
        """The message, or what stands in its way."""
        channel, _slash, locale = slot.partition("/")
        faults = templating.check_params(version, channels=[channel], locale=locale, params=params)
        if faults:
            return None, faults
        try:
            rendered = templating.render(version_id=version.pk, channel=channel, locale=locale, params=params)
        except NotifyError as error:
            return None, list(error.errors) or [error]
        return rendered, []

    def _versions(self, template: Template) -> list[TemplateVersion]:
        newest: QuerySet[TemplateVersion] = template.versions.order_by("-number")[:VERSIONS_SHOWN]
        return list(newest)

    def _chosen(self, versions: list[TemplateVersion], number: str | None) -> TemplateVersion:
        wanted = {str(version.number): version for version in versions}
        return wanted.get(number or "", versions[0])
