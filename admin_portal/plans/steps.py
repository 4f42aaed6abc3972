"""The steps of a plan, as they are kept and as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from admin_portal.kept_words import Sayable, Words
from admin_portal.kept_words import Words as _
from admin_portal.plans import conditions
from admin_portal.plans.conditions import Condition
from admin_portal.steering import action_words, actions
from admin_portal.steering.actions import Action, Setup
from admin_portal.steering.errors import Fault

MOST_STEPS: Final = 50
LONGEST_WAIT_S: Final = 24 * 3600.0


class StepKind(StrEnum):
    """What a step does: an action, taking an earlier one back, time (or a condition) to pass, a look, a question."""

    DO = "do"
    UNDO = "undo"
    WAIT = "wait"
    CHECK = "check"
    ASK = "ask"


class Otherwise(StrEnum):
    """What follows when a wait is over and its condition is not met, or a check finds it is not."""

    GO_ON = "go_on"
    PAUSE = "pause"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. ``action`` of *do*; ``undoes``, the number of an earlier step, of *undo*; ``condition`` of *check* and,
    if it is not time alone, of *wait*; ``at_most_s`` of *wait*; ``words``, a question, of *ask*."""

    kind: StepKind
    action: Action | None = None
    undoes: int = 0
    condition: Condition | None = None
    at_most_s: float = 0.0
    otherwise: Otherwise = Otherwise.GO_ON
    words: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind.value,
            "action": None if self.action is None else self.action.as_json(),
            "undoes": self.undoes,
            "condition": None if self.condition is None else self.condition.as_json(),
            "at_most_s": self.at_most_s,
            "otherwise": self.otherwise.value,
            "words": self.words,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        action, condition = data.get("action"), data.get("condition")
        return cls(
            kind=StepKind(data["kind"]),
            action=None if action is None else Action.from_json(action),
            undoes=data.get("undoes", 0),
            condition=None if condition is None else Condition.from_json(condition),
            at_most_s=data.get("at_most_s", 0.0),
            otherwise=Otherwise(data.get("otherwise", "go_on")),
            words=data.get("words", ""),
        )


def read(data: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Steps as a version keeps them."""
    return tuple(Step.from_json(one) for one in data)


def actions_of(steps: Sequence[Step]) -> list[Action]:
    """What they do to traffic, in their order."""
    return [one.action for one in steps if one.action is not None]


def validate(steps: Sequence[Step], *, setup: Setup) -> tuple[Fault, ...]:
    """What is wrong with them as things are, each fault with its step's number. How things stand at the moment is not
    the plan's fault: a fallback that is itself degraded is found when the step's turn comes."""
    return tuple(_faults(steps, setup))


#: Faults of the moment, which say nothing against a plan.
_PASSING: Final = frozenset({"degraded_fallback", "already_disabled", "cycle"})


def _faults(steps: Sequence[Step], setup: Setup) -> Iterator[Fault]:
    for number, step in enumerate(steps, start=1):
        for fault in _faults_of(step, number, steps, setup):
            if fault.code not in _PASSING or _is_to_itself(step):
                yield Fault("steps", fault.code, numbered(number, fault.words))


def _is_to_itself(step: Step) -> bool:
    return step.action is not None and step.action.parameters.get("to") == step.action.target_name


def numbered(number: int, words: Sayable) -> Words:
    """What is wrong, with the step it is wrong in."""
    return _("Step %(number)d: %(words)s") % {"number": number, "words": words}


def _faults_of(step: Step, number: int, steps: Sequence[Step], setup: Setup) -> Iterator[Fault]:
    if step.action is not None:
        yield from actions.validate(step.action, setup=setup)
        for earlier, other in enumerate(steps[: number - 1], start=1):
            undone = any(one.kind is StepKind.UNDO and one.undoes == earlier for one in steps[: number - 1])
            if other.action is not None and not undone and actions.conflicts(step.action, other.action):
                words = _("It contradicts step %(number)d, which is still in force then.") % {"number": earlier}
                yield Fault("steps", "contradiction", words)
    if step.condition is not None:
        yield from conditions.validate(step.condition, setup=setup)
    if step.kind is StepKind.UNDO:
        yield from _faults_of_undoing(step, number, steps)


def _faults_of_undoing(step: Step, number: int, steps: Sequence[Step]) -> Iterator[Fault]:
    before = steps[: number - 1]
    if not 1 <= step.undoes < number or before[step.undoes - 1].kind is not StepKind.DO:
        words = _("It takes back step %(number)d, which is no earlier action.") % {"number": step.undoes}
        yield Fault("steps", "nothing_to_undo", words)
    elif any(one.kind is StepKind.UNDO and one.undoes == step.undoes for one in before):
        yield Fault("steps", "undone_already", _("Step %(number)d is taken back already.") % {"number": step.undoes})


def describe(step: Step) -> str:
    """The step as a line in the reader's language."""
    return str(worded(step))


def worded(step: Step) -> Sayable:
    """The same, to be kept or to be put into other words; a question is in those of who asks."""
    if step.action is not None:
        return action_words.worded(step.action)
    if step.kind is StepKind.UNDO:
        return _("Take back step %(number)d") % {"number": step.undoes}
    if step.kind is StepKind.ASK:
        return step.words
    if step.condition is None:
        return _("Wait %(time)s") % {"time": span(step.at_most_s)}
    condition = conditions.worded(step.condition)
    otherwise = {
        Otherwise.GO_ON: _("then go on anyway"),
        Otherwise.PAUSE: _("otherwise pause"),
        Otherwise.ABORT: _("otherwise abort"),
    }[step.otherwise]
    if step.kind is StepKind.CHECK:
        return _("Check that %(condition)s; %(otherwise)s") % {"condition": condition, "otherwise": otherwise}
    words = _("Wait until %(condition)s, at most %(time)s; %(otherwise)s")
    return words % {"condition": condition, "time": span(step.at_most_s), "otherwise": otherwise}


def span(seconds: float) -> Words:
    """A time as short as it can be said: ``90 s``, ``2 min``, ``1 h``."""
    if seconds and seconds % 3600 == 0:
        return _("%(count)d h") % {"count": seconds // 3600}
    if seconds and seconds % 60 == 0:
        return _("%(count)d min") % {"count": seconds // 60}
    return _("%(count)d s") % {"count": seconds}
