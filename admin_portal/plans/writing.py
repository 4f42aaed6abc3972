"""Plans as people write them, in YAML (and so in JSON too): read, with everything that is wrong in it named. Pure.

- do: shed_bulk
  target: channel:email
- wait: {until: {metric: depth, target: channel:email, below: 5000}, at_most: 2m, otherwise: go_on}
- do: switch_channel
  target: channel:email
  with: {to: inapp}
- check: {metric: success_rate, target: channel:inapp, above: 0.95, otherwise: abort}
- ask: Does the provider confirm that it is well again?
- wait: 60s
- undo: 1
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from admin_portal.plans import source as text
from admin_portal.plans import steps as steps_module
from admin_portal.plans.conditions import Comparison, Condition, Metric
from admin_portal.plans.source import is_number, shown
from admin_portal.plans.steps import LONGEST_WAIT_S, MOST_STEPS, Otherwise, Step, StepKind
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.errors import Fault, InvalidAction

_LONGEST_QUESTION: Final = 500
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)")
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Unreadable(ValueError):
    """What is written means nothing; the words say why, in the reader's language."""


def read_steps(source: str) -> tuple[Step, ...]:
    """The steps that ``source`` says. Raises InvalidAction with a fault for each step that means nothing."""
    found = text.load(source, "steps")
    if not isinstance(found, list) or not found:
        raise InvalidAction([Fault("steps", "no_steps", _("Write a list of steps, each beginning with “- ”."))])
    if len(found) > MOST_STEPS:
        words = _("A plan has at most %(most)d steps.") % {"most": MOST_STEPS}
        raise InvalidAction([Fault("steps", "too_many", words)])
    steps, faults = [], []
    for number, one in enumerate(found, start=1):
        try:
            steps.append(_step(one))
        except Unreadable as error:
            faults.append(Fault("steps", "unreadable", steps_module.numbered(number, str(error))))
    if faults:
        raise InvalidAction(faults)
    return tuple(steps)


def read_trigger(source: str) -> Condition | None:
    """The condition that ``source`` says; None: it says nothing. Raises InvalidAction."""
    if not source.strip():
        return None
    try:
        return _condition(text.load(source, "trigger"), {"for"})
    except Unreadable as error:
        raise InvalidAction([Fault("trigger", "unreadable", str(error))]) from error


def _step(written: Any) -> Step:
    if not isinstance(written, Mapping):
        raise Unreadable(_("A step is written as “kind: …”."))
    kinds = [kind for kind in StepKind if kind.value in written]
    if len(kinds) != 1:
        raise Unreadable(_("A step begins with one of: %(kinds)s.") % {"kinds": ", ".join(StepKind)})
    kind = kinds[0]
    _check_keys(written, {kind.value, "target", "with"} if kind is StepKind.DO else {kind.value})
    return _READERS[kind](written)


def _do(written: Mapping[str, Any]) -> Step:
    name, parameters = written["do"], written.get("with") or {}
    if name not in Kind.values:
        words = _("There is no action “%(name)s”; there are: %(known)s.")
        raise Unreadable(words % {"name": shown(name), "known": ", ".join(Kind.values)})
    if not isinstance(parameters, Mapping) or not all(isinstance(one, str) for one in parameters):
        raise Unreadable(_("“with” holds the action's parameters, as “name: value”."))
    target = written.get("target")
    if not isinstance(target, str):
        raise Unreadable(_("Say what it is done to, as “target: channel:sms”."))
    return Step(kind=StepKind.DO, action=Action(kind=Kind(name), target=target, parameters=_plain(parameters)))


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON can hold them: words, numbers, and one level of weights."""
    plain: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            plain[name] = {shown(one): _weight(one, weight) for one, weight in value.items()}
        elif isinstance(value, str) or (isinstance(value, int) and (is_number(value) or isinstance(value, bool))):
            plain[name] = value
        else:
            raise Unreadable(_("“%(name)s” must be a word or a whole number.") % {"name": shown(name)})
    return plain


def _weight(name: Any, weight: Any) -> int:
    if not isinstance(weight, int) or not is_number(weight):
        raise Unreadable(_("The weight of “%(name)s” must be a whole number.") % {"name": shown(name)})
    return weight


def _undo(written: Mapping[str, Any]) -> Step:
    number = written["undo"]
    if not isinstance(number, int) or not is_number(number):
        raise Unreadable(_("“undo” names the number of an earlier step."))
    return Step(kind=StepKind.UNDO, undoes=number)


def _wait(written: Mapping[str, Any]) -> Step:
    wait = written["wait"]
    if not isinstance(wait, Mapping):
        return Step(kind=StepKind.WAIT, at_most_s=_seconds(wait))
    _check_keys(wait, {"until", "at_most", "otherwise"})
    if "at_most" not in wait:
        raise Unreadable(_("Say how long to wait at most: “at_most: 2m”."))
    return Step(
        kind=StepKind.WAIT,
        condition=_condition(wait.get("until")),
        at_most_s=_seconds(wait["at_most"]),
        otherwise=_otherwise(wait, Otherwise.GO_ON),
    )


def _check(written: Mapping[str, Any]) -> Step:
    check = written["check"]
    return Step(
        kind=StepKind.CHECK,
        condition=_condition(check, {"otherwise"}),
        otherwise=_otherwise(check, Otherwise.PAUSE),
    )


def _ask(written: Mapping[str, Any]) -> Step:
    words = written["ask"]
    if not isinstance(words, str) or not 0 < len(words.strip()) <= _LONGEST_QUESTION:
        raise Unreadable(_("“ask” is a question of at most %(most)d characters.") % {"most": _LONGEST_QUESTION})
    return Step(kind=StepKind.ASK, words=words.strip())


_READERS: Final = {
    StepKind.DO: _do,
    StepKind.UNDO: _undo,
    StepKind.WAIT: _wait,
    StepKind.CHECK: _check,
    StepKind.ASK: _ask,
}


def _condition(written: Any, besides: Iterable[str] = ()) -> Condition:
    if not isinstance(written, Mapping):
        raise Unreadable(_("A condition is written as “metric: depth, target: channel:sms, below: 5000”."))
    _check_keys(written, {"metric", "target", *Comparison, *besides})
    metric, target = written.get("metric"), written.get("target")
    if metric not in tuple(Metric):
        words = _("There is no figure “%(name)s”; there are: %(known)s.")
        raise Unreadable(words % {"name": shown(metric), "known": ", ".join(Metric)})
    comparisons = [one for one in Comparison if one.value in written]
    if len(comparisons) != 1 or not isinstance(target, str):
        raise Unreadable(_("A condition has a target, and one of below, above and is."))
    value = written[comparisons[0].value]
    if (comparisons[0] is Comparison.IS) != (Metric(metric) is Metric.STATE):
        raise Unreadable(_("States are compared with “is”, numbers with “below” and “above”."))
    for_s = _seconds(written["for"]) if "for" in besides and "for" in written else 0.0
    return Condition(
        metric=Metric(metric), target=target, comparison=comparisons[0], value=_value(value, metric), for_s=for_s
    )


def _value(value: Any, metric: str) -> float | str:
    if metric == Metric.STATE:
        if isinstance(value, str):
            return value
    elif is_number(value) and math.isfinite(value) and value >= 0:
        return float(value)
    raise Unreadable(_("“%(value)s” is nothing to compare with.") % {"value": shown(value)})


def _seconds(written: Any) -> float:
    """``90``, ``90s``, ``2m`` or ``1h`` as seconds."""
    words = written if isinstance(written, str) else shown(written)
    match = _TIME.fullmatch(words.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_WAIT_S:
        raise Unreadable(_("“%(time)s” is no time; write 90s, 2m or 1h, up to 24h.") % {"time": shown(written)})
    return seconds


def _otherwise(written: Mapping[str, Any], default: Otherwise) -> Otherwise:
    name = written.get("otherwise", default.value)
    if name not in tuple(Otherwise):
        words = _("“otherwise” is one of: %(known)s.")
        raise Unreadable(words % {"known": ", ".join(Otherwise)})
    return Otherwise(name)


def _check_keys(written: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in written:
        if name not in known:
            raise Unreadable(_("“%(name)s” means nothing here.") % {"name": shown(name)})
