"""What the platform says now and people read later: kept with its values, and worded when it is read. Pure.

Whoever writes a reason into a row is a worker, or a person with a language of their own; whoever reads it may have
another one. So a sentence stays what it is (``Words``: as it stands in the source, and what goes into it) until
somebody sees it. In a column it is its English, for people at a database's prompt and processes of a former version,
and behind a mark what it takes to say it anew. What people wrote themselves is kept as they wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from django.utils.functional import Promise
from django.utils.translation import gettext, override, pgettext

#: Words of the platform, or a person's own.
Sayable = str | Promise

#: Between the English and what it is made of: "unit separator", which nobody types.
MARK: Final = "\x1f"


@dataclass(frozen=True, slots=True, eq=False)
class Words(Promise):
    """A sentence that is said in the language of whoever asks. Imported as ``_``, it is written as any other message:
    ``_("replaced by #%(number)d") % {"number": 3}``. Values are numbers, texts, or words themselves."""

    msgid: str
    values: Mapping[str, Any] | None = None
    #: Where one word means several things: which of them (``pgettext``).
    context: str = ""

    def __mod__(self, values: Mapping[str, Any]) -> Words:
        return Words(self.msgid, values, self.context)

    def __str__(self) -> str:
        said = pgettext(self.context, self.msgid) if self.context else gettext(self.msgid)
        return said if self.values is None else said % dict(self.values)

    @classmethod
    def together(cls, sentences: Iterable[Sayable]) -> Sayable:
        """One after the other."""
        first, *others = sentences
        return cls("%(first)s %(others)s", {"first": first, "others": cls.together(others)}) if others else first

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        values = None if self.values is None else {name: _plain(value) for name, value in self.values.items()}
        return {"msgid": self.msgid, "values": values, "context": self.context}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        values = data["values"]
        said = None if values is None else {name: _said(one) for name, one in values.items()}
        return cls(data["msgid"], said, data["context"])


def _plain(value: Any) -> Any:
    if isinstance(value, Words):
        return value.as_json()
    # The label of a choice: its English is what it stands as in the source.
    return Words(in_english(value)).as_json() if isinstance(value, Promise) else value


def _said(value: Any) -> Any:
    return Words.from_json(value) if isinstance(value, dict) else value


def in_english(words: Sayable) -> str:
    """For logs, and the audit: as it stands in the source, whatever language is in force."""
    with override(None):
        return str(words)


def pack(words: Sayable) -> str:
    """``words`` as a column keeps them. Of what a person wrote the mark is taken, should it be there: nobody can write
    what is taken for the platform's own."""
    if not isinstance(words, Promise):
        return words.replace(MARK, "")
    return in_english(words) + MARK + json.dumps(_plain(words), ensure_ascii=False)


def unpack(text: str) -> Sayable:
    """What ``pack`` made, to be said; any other text as it is."""
    _english, mark, packed = text.partition(MARK)
    if not mark:
        return text
    try:
        return Words.from_json(json.loads(packed))
    except (ValueError, KeyError, TypeError):  # somebody's text from before there was a mark
        return text
