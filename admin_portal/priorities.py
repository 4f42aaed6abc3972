"""Priorities by the names that people have for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import pgettext_lazy

WORDS: Final[Mapping[str, Any]] = {
    "critical": pgettext_lazy("priority", "critical"),
    "normal": pgettext_lazy("priority", "normal"),
    "bulk": pgettext_lazy("priority", "bulk"),
}


def priority_word(name: str) -> str:
    """``bulk`` as the reader calls it."""
    return str(WORDS.get(name, name))
