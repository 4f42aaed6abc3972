"""Form fields that several pages need, dressed for django-unfold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

if TYPE_CHECKING:
    BaseModelForm = forms.ModelForm[Any]
else:
    BaseModelForm = forms.ModelForm


class CapitalLabels:
    """Labels begin with a capital, as those do that Django takes from a model."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if field.label:
                field.label = capfirst(str(field.label))


class ModelForm(CapitalLabels, BaseModelForm):
    """A form for a model's row."""


class Form(CapitalLabels, forms.Form):
    """A form."""


def code_widget(*, rows: int, placeholder: Any = "") -> UnfoldAdminTextareaWidget:
    """A box for what is written for machines: in their type, and nobody corrects its spelling."""
    attrs = {"rows": rows, "placeholder": placeholder, "class": "portal-code", "spellcheck": "false"}
    return UnfoldAdminTextareaWidget(attrs=attrs)


class JsonField(forms.JSONField):
    """JSON to be read and written by people: indented, with its letters as they are, and nothing for nothing."""

    def __init__(self, *, rows: int = 4, placeholder: Any = "", **kwargs: Any) -> None:
        super().__init__(widget=code_widget(rows=rows, placeholder=placeholder), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, InvalidJSONInput | str):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2)


class ListField(forms.CharField):
    """A list of words, written with commas or spaces between them, in the order they are written."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        if isinstance(value, list | tuple):
            return list(value)
        return [part for part in re.split(r"[,\s]+", super().to_python(value) or "") if part]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial or []) != self.to_python(data or "")

    def validate(self, value: Any) -> None:
        super().validate(value)
        self.check(value)

    def check(self, parts: list[str]) -> None:
        """Raises ValidationError for a part that may not stand here."""


class NetworksField(ListField):
    """IP addresses and networks."""

    def check(self, parts: list[str]) -> None:
        for part in parts:
            try:
                ip_network(part, strict=False)
            except ValueError:
                message = _("“%(value)s” is neither an IP address nor a network.")
                raise ValidationError(message, code="network", params={"value": part}) from None


class NamesField(ListField):
    """Names out of a fixed set, each at most once."""

    def __init__(self, *, names: Iterable[str], **kwargs: Any) -> None:
        self.names = tuple(names)
        super().__init__(**kwargs)

    def check(self, parts: list[str]) -> None:
        for number, part in enumerate(parts):
            params = {"value": part, "known": ", ".join(self.names)}
            if part not in self.names:
                raise ValidationError(_("“%(value)s” is none of: %(known)s."), code="name", params=params)
            if part in parts[:number]:
                raise ValidationError(_("“%(value)s” is named twice."), code="twice", params=params)
