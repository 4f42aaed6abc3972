"""The form a template is written in, and the form that tries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from admin_portal.contents import Slot, field_of_path, gather, slots
from admin_portal.forms import Form, JsonField, ModelForm
from channels.names import CHANNELS
from notify import templating
from notify.errors import NotifyError
from notify.models import Template, TemplateVersion
from notify.template_contents import is_locale, variables_of

PART_LABELS: Final = {"subject": _("subject"), "text": _("text"), "html": _("HTML")}
_ROWS: Final = {"text": 6, "html": 16}
NEW: Final = "new"
NEW_PARTS: Final = ("subject", "text", "html")


class PlainTextField(forms.CharField):
    """Text as written, with the line ends that browsers send (CR LF) turned back."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


def _part_field(part: str) -> forms.CharField:
    if part == "subject":
        return PlainTextField(label=PART_LABELS[part], required=False, strip=False, widget=UnfoldAdminTextInputWidget)
    attrs = {"rows": _ROWS[part], "class": "portal-code", "spellcheck": "false" if part == "html" else "true"}
    return PlainTextField(
        label=PART_LABELS[part], required=False, strip=False, widget=UnfoldAdminTextareaWidget(attrs=attrs)
    )


class TemplateForm(ModelForm):
    """A template's words, a group of fields for each channel and locale it has, and one group for a further one.

    Saving publishes a new version; versions that were sent with are never changed.
    """

    default_locale = forms.CharField(
        label=_("default locale"),
        max_length=35,
        initial="en",
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What a reader gets whose own language is not here, such as en or zh-CN."),
    )
    new_channel = forms.ChoiceField(
        label=_("channel"),
        required=False,
        choices=[("", "–"), *((name, name) for name in CHANNELS)],
        widget=UnfoldAdminSelectWidget,
    )
    new_locale = forms.CharField(
        label=_("locale"), required=False, max_length=35, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "en"})
    )
    new_subject = _part_field("subject")
    new_text = _part_field("text")
    new_html = _part_field("html")

    #: The channels and locales this form was made for; set by ``form_class``.
    slots: Sequence[Slot] = ()

    class Meta:
        model = Template
        fields = ("application", "key", "category")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contents: dict[str, Any] = {}
        if self.instance.current is not None:
            self.initial.setdefault("default_locale", self.instance.current.default_locale)

    def clean_default_locale(self) -> str:
        """Refuses what is no locale."""
        locale: str = self.cleaned_data["default_locale"]
        if not is_locale(locale):
            raise ValidationError(_("Write a locale such as en or zh-CN."), code="locale")
        return locale

    def clean(self) -> dict[str, Any]:
        """Puts the contents together and lets the template engine judge them."""
        cleaned = super().clean() or self.cleaned_data
        self.contents = gather(cleaned, list(self.slots))
        self._add_new(cleaned)
        if not self.contents and not self.errors:
            raise ValidationError(_("A template says something on at least one channel."), code="empty")
        if self.contents:
            try:
                templating.check_contents(self.contents)
            except NotifyError as error:
                self._blame(error)
        return cleaned

    def _add_new(self, cleaned: Mapping[str, Any]) -> None:
        channel, locale = cleaned.get("new_channel"), cleaned.get("new_locale")
        parts = {part: cleaned[f"new_{part}"] for part in NEW_PARTS if cleaned.get(f"new_{part}")}
        if not (channel or locale or parts):
            return
        if not (channel and locale and parts):
            self.add_error("new_channel", _("Give the channel, the locale and what it says."))
        elif locale in self.contents.get(channel, {}):
            self.add_error("new_locale", _("There is such a content above already."))
        else:
            allowed = Slot(channel, locale).parts
            for part in parts:
                if part not in allowed:
                    self.add_error(f"new_{part}", _("Messages of this channel have no such part."))
            self.contents.setdefault(channel, {})[locale] = {p: parts[p] for p in parts if p in allowed}

    def _blame(self, error: NotifyError) -> None:
        if not error.errors:
            self.add_error(None, error.detail)
        new = Slot(self.cleaned_data.get("new_channel") or "", self.cleaned_data.get("new_locale") or "")
        for fault in error.errors:
            field = field_of_path(fault.path, list(self.slots))
            if field is None and field_of_path(fault.path, [new]) is not None:
                part = fault.path.rpartition(".")[2]
                field = f"new_{part}" if part in NEW_PARTS else "new_text"
            if field in self.fields:
                self.add_error(field, fault.detail)
            else:
                self.add_error(None, f"{fault.path}: {fault.detail}")


def form_class(version: TemplateVersion | None) -> type[TemplateForm]:
    """The form for a template whose current version is ``version``."""
    fields: dict[str, Any] = {"slots": ()}
    if version is not None:
        fields["slots"] = tuple(slots(version.contents))
        for slot in fields["slots"]:
            content = version.contents[slot.channel][slot.locale]
            for part in slot.parts:
                field = _part_field(part)
                field.initial = content.get(part, "")
                fields[slot.field(part)] = field
            fields[slot.removal] = forms.BooleanField(
                label=_("take this out"), required=False, widget=UnfoldBooleanSwitchWidget
            )
    return type("TemplateForm", (TemplateForm,), fields)


class PreviewForm(Form):
    """Which version, channel and locale to try, and with which parameters."""

    version = forms.TypedChoiceField(label=_("version"), coerce=int, widget=UnfoldAdminSelectWidget)
    slot = forms.ChoiceField(label=_("channel and locale"), widget=UnfoldAdminSelectWidget)
    params = JsonField(
        label=_("parameters"),
        initial=dict,
        rows=10,
        required=False,
        help_text=_("A JSON object with the variables of this content."),
    )

    def __init__(self, *args: Any, numbers: Sequence[int], version: TemplateVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].choices = [(n, f"v{n}") for n in numbers]  # type: ignore[attr-defined]
        known = [slot.key for slot in slots(version.contents)]
        self.fields["slot"].choices = [(key, key) for key in known]  # type: ignore[attr-defined]

    def clean_params(self) -> dict[str, Any]:
        """Parameters are an object, nothing else."""
        params = self.cleaned_data["params"] or {}
        if not isinstance(params, dict):
            raise ValidationError(_("Write a JSON object: {…}."), code="object")
        return params


def sample(version: TemplateVersion) -> dict[str, str]:
    """An example for each variable of ``version``."""
    variables = version.variables or variables_of(version.contents)
    names = {name for found in variables.values() for kind in ("required", "optional") for name in found[kind]}
    return {name: f"‹{name}›" for name in sorted(names)}
