"""What health has to say of something, in a few words: in English to programs, to people in their language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.utils.translation import gettext


@dataclass(frozen=True, slots=True)
class Remark:
    """``words`` as they stand in the source, and what goes into them. ``str`` is the English, which ``/readyz`` has
    promised."""

    words: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.words % self.values

    def told(self) -> str:
        """In the language of whoever looks."""
        return gettext(self.words) % self.values if self.words else ""


NOTHING: Final = Remark()
