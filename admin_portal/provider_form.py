"""A provider's form, made from what its adapter says it wants to know.

Secrets go in and never come out: their inputs are empty, and an input left empty keeps what is stored.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import escape
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, SecretStr
from pydantic import ValidationError as PydanticError
from pydantic.fields import FieldInfo
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from admin_portal.forms import JsonField, ModelForm
from channels import control_characters, registry
from channels.errors import ConfigurationError
from channels.models import Provider

_MARK: Final = "config:"
_FORGET: Final = "forget:"
#: Strings that are programs, not words.
_LONG: Final = frozenset({"body"})


def field_name(key: str) -> str:
    """The form field of a configuration key."""
    return f"{_MARK}{key}"


def forget_name(key: str) -> str:
    """The form field that takes a stored secret away."""
    return f"{_FORGET}{key}"


def _choices_of(annotation: Any) -> list[Any] | None:
    if typing.get_origin(annotation) is Literal:
        return list(typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return None


def _bare(annotation: Any) -> Any:
    """``X`` for ``X | None`` and for ``Annotated[X, …]``; anything else as it is."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _bare(parts[0]) if len(parts) == 1 else annotation
    return annotation


def _default(info: FieldInfo) -> Any:
    if info.is_required():
        return None
    default = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json")
    return default.value if isinstance(default, Enum) else default


def _placeholder(info: FieldInfo) -> str:
    default = _default(info)
    if default in (None, "", {}, [], ()):
        return ""
    plain = isinstance(default, str | int | float)
    return str(default) if plain else json.dumps(default, ensure_ascii=False, default=str)


def _is_true(value: str) -> bool:
    return value == "True"


def _shown(adapter: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The stored configuration without its secrets, in the words its schema uses now (``true`` for ``later``, …)."""
    schema = registry.adapter_class(adapter).config_schema
    try:
        understood = schema.model_validate(dict(stored)).model_dump(mode="json")
    except PydanticError:
        understood = {}  # made for an older adapter: people see what is there, and saving tells them what to change
    shown = [key for key in schema.model_fields if key in stored and key not in registry.secret_keys(adapter)]
    return {key: understood.get(key, stored[key]) for key in shown}


def config_field(key: str, info: FieldInfo, *, secret: bool, stored: bool) -> forms.Field:
    """The form field for one configuration key of an adapter. ``stored``: there is a value already."""
    bare = _bare(info.annotation)
    required = info.is_required() and not (secret and stored)
    help_text = escape(gettext(info.description)) if info.description else ""
    common: dict[str, Any] = {"label": key.replace("_", " "), "required": required, "help_text": help_text}
    if secret:
        return _secret_field(bare, common, stored=stored)
    attrs = {"placeholder": _placeholder(info)}
    choices = _choices_of(bare)
    if choices is not None:
        blank = [] if required else [("", _("default (%(value)s)") % {"value": attrs["placeholder"] or "–"})]
        pairs = [*blank, *((str(choice), str(choice)) for choice in choices)]
        return forms.ChoiceField(choices=pairs, widget=UnfoldAdminSelectWidget, **common)
    if bare is bool and bare is not info.annotation:
        answers: list[tuple[str, Any]] = [("", _("default")), ("True", _("yes")), ("False", _("no"))]
        widget = UnfoldAdminSelectWidget
        return forms.TypedChoiceField(choices=answers, coerce=_is_true, empty_value=None, widget=widget, **common)
    if bare is bool:
        common["required"] = False
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget, initial=bool(_default(info)), **common)
    if bare is int:
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget(attrs), **common)
    if bare is float:
        return forms.FloatField(widget=UnfoldAdminDecimalFieldWidget(attrs), **common)
    if bare is str:
        widget = UnfoldAdminTextareaWidget({**attrs, "rows": 5, "class": "portal-code"}) if key in _LONG else None
        return forms.CharField(widget=widget or UnfoldAdminTextInputWidget(attrs), strip=False, **common)
    return _json_field(attrs["placeholder"], common)


def _json_field(placeholder: Any, common: Mapping[str, Any]) -> forms.Field:
    help_text = common["help_text"] or _("As JSON.")
    return JsonField(placeholder=placeholder, **{**common, "help_text": help_text})


def _secret_field(bare: Any, common: Mapping[str, Any], *, stored: bool) -> forms.Field:
    text = _("set; leave empty to keep it") if stored else _("not set")
    if bare is SecretStr:
        attrs = {"placeholder": text, "autocomplete": "new-password"}
        return forms.CharField(widget=UnfoldAdminPasswordWidget(attrs, render_value=False), strip=False, **common)
    return _json_field(text, common)


class ProviderForm(ModelForm):
    """A provider; ``form_class`` adds the fields of its adapter."""

    #: Set by ``form_class``.
    adapter: str = ""

    class Meta:
        model = Provider
        fields = ("name", "channel", "weight", "rate_limit", "max_concurrency", "timeout_s", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.adapter = self.adapter
        for key, value in _shown(self.adapter, self.instance.config or {}).items():
            self.initial.setdefault(field_name(key), value)
        if "channel" in self.fields:
            served = registry.ADAPTERS[self.adapter].channels
            self.fields["channel"] = forms.ChoiceField(
                label=capfirst(gettext("channel")),
                choices=[(name, name) for name in served],
                widget=UnfoldAdminSelectWidget,
            )

    def clean(self) -> dict[str, Any]:
        """Puts the configuration together and lets the adapter judge it."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        config = self._config(cleaned)
        channel = cleaned.get("channel") or self.instance.channel
        try:
            control_characters.check(config)
            registry.check(adapter=self.adapter, channel=channel, config=config)
        except ConfigurationError as error:
            self._blame(error)
        else:
            self.instance.config = config
        return cleaned

    def _config(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        stored = self.instance.config or {}
        secrets = registry.secret_keys(self.adapter)
        config: dict[str, Any] = {}
        for key, info in registry.adapter_class(self.adapter).config_schema.model_fields.items():
            value = cleaned.get(field_name(key))
            given = value not in (None, "", {}, [])
            if key in secrets:
                if given:
                    config[key] = value
                elif key in stored and not cleaned.get(forget_name(key)):
                    config[key] = stored[key]
            elif given and not (key not in stored and value == _default(info)):
                # What only repeats the default is left out, so that a better default later reaches it too.
                config[key] = value
        return config

    def _blame(self, error: ConfigurationError) -> None:
        for path, detail in error.errors:
            name = field_name(path.partition(".")[0].partition("[")[0])
            if name in self.fields:
                self.add_error(name, detail)
            else:
                self.add_error(None, ValidationError(f"{path}: {detail}" if path else detail))


def form_class(*, adapter: str, config: Mapping[str, Any]) -> type[ProviderForm]:
    """The form for a provider reached by ``adapter`` that has ``config`` stored.

    Raises ConfigurationError for an adapter that nobody registered.
    """
    secrets = registry.secret_keys(adapter)
    fields: dict[str, Any] = {"adapter": adapter}
    for key, info in registry.adapter_class(adapter).config_schema.model_fields.items():
        stored = key in config
        secret = key in secrets
        fields[field_name(key)] = config_field(key, info, secret=secret, stored=stored)
        if secret and stored and not info.is_required():
            fields[forget_name(key)] = forms.BooleanField(
                label=_("forget the stored %(key)s") % {"key": key.replace("_", " ")},
                required=False,
                widget=UnfoldBooleanSwitchWidget,
            )
    return type("ProviderForm", (ProviderForm,), fields)


def config_fields(adapter: str, config: Mapping[str, Any]) -> list[str]:
    """The names of the fields that ``form_class`` adds, in the adapter's own order."""
    added = form_class(adapter=adapter, config=config)
    return [name for name in added.base_fields if name.startswith((_MARK, _FORGET))]
