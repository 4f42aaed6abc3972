"""Priorities by the names that people have for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import pgettext_lazy

from admin_portal.kept_words import Sayable, Words

_CONTEXT: Final = "priority"
WORDS: Final[Mapping[str, Any]] = {
    "critical": pgettext_lazy("priority", "critical"),
    "normal": pgettext_lazy("priority", "normal"),
    "bulk": pgettext_lazy("priority", "bulk"),
}


def priority_word(name: str) -> str:
    """``bulk`` as the reader calls it."""
    return str(worded_priority(name))


def worded_priority(name: str) -> Sayable:
    """The same, to be kept or to be put into other words."""
    return Words(name, context=_CONTEXT) if name in WORDS else name
