"""Why a move was refused. Each says so in the reader's language, and nothing was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from admin_portal.kept_words import Sayable, Words
from admin_portal.kept_words import Words as _
from channels.errors import ChannelsError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what somebody asks for: with which field of the form, which, and in words."""

    field: str
    code: str
    words: Sayable

    def __str__(self) -> str:
        return str(self.words)


class SteeringError(ChannelsError):
    """Root of this room's errors. ``code`` is for programs, ``str`` for people."""

    code = "refused"

    def __init__(self, words: Sayable, *, code: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.code = code or self.code

    def __str__(self) -> str:
        return str(self.words)


class InvalidAction(SteeringError):
    """What is asked for can't be done, or makes no sense; ``faults`` says why, field by field."""

    code = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(Words.together([fault.words for fault in faults]), code=faults[0].code)
        self.faults = tuple(faults)


class MoveRefused(SteeringError):
    """The request is not in a state for this move, or this person may not make it. ``code`` says which."""


class NotPermitted(SteeringError):
    """This person lacks the permission, or lost it."""

    code = "not_permitted"

    def __init__(self) -> None:
        super().__init__(_("You do not have the permission for this (any more)."))


class Outdated(SteeringError):
    """The page this came from is no longer true: somebody changed the request meanwhile."""

    code = "outdated"

    def __init__(self) -> None:
        super().__init__(_("This request was changed meanwhile. Look at it again before you decide."))


class ConflictsWith(SteeringError):
    """Another live request wants something else of the same target. ``other`` names it."""

    code = "conflict"

    def __init__(self, other: Sayable) -> None:
        super().__init__(_("It conflicts with %(other)s. End that one first, or replace it.") % {"other": other})
        self.other = str(other)


class LeavesNoWay(SteeringError):
    """Critical messages would have no way left, and nobody has said that this is meant."""

    code = "leaves_no_way"

    def __init__(self) -> None:
        super().__init__(
            _("Critical messages would have no way left. Confirm that this is meant, or choose something else.")
        )
