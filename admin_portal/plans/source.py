"""YAML that people write, read with care: no aliases, which let a few lines stand for gigabytes, and nothing that the
database can't hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from django.utils.translation import gettext as _

from admin_portal.steering.errors import Fault, InvalidAction

LONGEST: Final = 20_000
_LONGEST_SHOWN: Final = 60
#: Larger numbers mean nothing here, and are costly to write out.
_MOST_BITS: Final = 64
#: NUL and halves of characters: PostgreSQL holds neither.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


class _AliasFound(Exception):
    """An alias stands there."""


class _Loader(yaml.SafeLoader):
    """Plain values only, each written where it stands."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _AliasFound
        return super().compose_node(parent, index)


def load(text: str, field: str) -> Any:
    """What ``text`` says, as plain values. Raises InvalidAction with the fault beside ``field``."""
    if len(text) > LONGEST:
        words = _("Write at most %(most)d characters.") % {"most": LONGEST}
        raise InvalidAction([Fault(field, "too_long", words)])
    if not is_storable(text):
        raise InvalidAction([unstorable(field)])
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
        words_are_storable = all(map(is_storable, _words_of(found)))
    except _AliasFound as error:
        words = _("Aliases (“*name”) are not read here: write it out.")
        raise InvalidAction([Fault(field, "alias", words)]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        words = _("This is not YAML: line %(line)d can't be read.") % {"line": line}
        raise InvalidAction([Fault(field, "not_yaml", words)]) from error
    if not words_are_storable:
        raise InvalidAction([unstorable(field)])
    return found


def _words_of(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping):
        for name, value in found.items():
            yield from _words_of(name)
            yield from _words_of(value)
    elif isinstance(found, list | tuple | set):
        for value in found:
            yield from _words_of(value)


def is_storable(words: str) -> bool:
    """Whether the database can hold ``words``."""
    return _UNSTORABLE.search(words) is None


def unstorable(field: str) -> Fault:
    """The fault of a text that it can't hold."""
    return Fault(field, "unstorable", _("There is a character in it that can't be stored."))


def is_number(value: Any) -> bool:
    """Whether it is a number of a size that can mean something."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or value.bit_length() <= _MOST_BITS


def shown(value: Any) -> str:
    """What was written, short enough for a message."""
    if not isinstance(value, str):
        value = str(value) if is_number(value) or isinstance(value, bool) else "…"
    return value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
