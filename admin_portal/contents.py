"""A template's contents as form fields: a group of fields for each channel and locale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from channels.names import CHANNELS

#: What a message of each channel is made of.
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "email": ("subject", "text", "html"),
    "inapp": ("subject", "text", "html"),
    "push": ("subject", "text"),
    "webhook": ("subject", "text"),
    "im": ("subject", "text"),
    "sms": ("text",),
    "voice": ("text",),
}
_MARK: Final = "content"

Contents = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What one channel says in one locale."""

    channel: str
    locale: str

    @property
    def key(self) -> str:
        """``sms/zh-CN``"""
        return f"{self.channel}/{self.locale}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts a message of this channel has."""
        return PARTS.get(self.channel, ("text",))

    def field(self, part: str) -> str:
        """The name of the form field that holds ``part``."""
        return f"{_MARK}:{self.channel}:{self.locale}:{part}"

    @property
    def removal(self) -> str:
        """The name of the form field that takes this slot out."""
        return self.field("remove")


def slots(contents: Mapping[str, Mapping[str, Any]]) -> Iterator[Slot]:
    """Every channel and locale of ``contents``, channels in their usual order."""
    for channel in CHANNELS:
        for locale in sorted(contents.get(channel, {})):
            yield Slot(channel, locale)


def gather(fields: Mapping[str, Any], slots: Iterator[Slot] | list[Slot]) -> Contents:
    """The contents that a form's cleaned ``fields`` describe; empty parts and removed slots are left out."""
    contents: Contents = {}
    for slot in slots:
        if fields.get(slot.removal):
            continue
        parts = {part: fields[slot.field(part)] for part in slot.parts if fields.get(slot.field(part))}
        if parts:
            contents.setdefault(slot.channel, {})[slot.locale] = parts
    return contents


def field_of_path(path: str, slots: list[Slot]) -> str | None:
    """The form field that a fault's path, such as ``contents.sms.zh-CN.text``, speaks of."""
    for slot in slots:
        prefix = f"contents.{slot.channel}.{slot.locale}"
        if path == prefix:
            return slot.field("text")
        if path.startswith(f"{prefix}."):
            part = path[len(prefix) + 1 :].partition(".")[0]
            return slot.field(part if part in slot.parts else "text")
    return None
