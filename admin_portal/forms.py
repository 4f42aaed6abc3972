"""Form fields that several pages need, dressed for django-unfold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm


class ListField(forms.CharField):
    """A list of words, written with commas or spaces between them, in the order they are written."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        if isinstance(value, list | tuple):
            return list(value)
        return [part for part in re.split(r"[,\s]+", super().to_python(value)) if part]

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
