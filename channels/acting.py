"""Who is at work: a person, a key or a process, for those who write down what was changed by whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """``name``: a user's name, ``key:<prefix>``, ``command:<name>`` or ``engine``. ``origin``: the address that the
    request came from; empty for what no request asked for."""

    name: str
    origin: str = ""


#: When nobody says: the machine itself.
ENGINE: Final = Actor(name="engine")
_actor: ContextVar[Actor] = ContextVar("actor", default=ENGINE)


def current() -> Actor:
    """Who is at work here."""
    return _actor.get()


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Within this block, ``actor`` is at work."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)
