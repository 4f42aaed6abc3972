"""What a pin may say: every wrong thing in it is named, and nothing is stored then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from channels.degradation.pin import PinSpec
from channels.errors import ChannelsError
from channels.models.provider import validate_rate
from channels.names import CHANNELS, PRIORITIES, PinAction, PinSource

Fault = tuple[str, str | Promise]

_PARTS: Final = ("channel", "provider", "priority", "category", "application")
#: Which parts of a target an action has (it needs one of them at least), and which parameters.
_MAY_NAME: Final[Mapping[PinAction, tuple[str, ...]]] = {
    PinAction.DISABLE: ("provider", "channel"),
    PinAction.SET_WEIGHTS: ("channel",),
    PinAction.SWITCH: ("channel",),
    PinAction.SHED_BULK: ("channel",),
    PinAction.THROTTLE: _PARTS,
    PinAction.HOLD: _PARTS,
}
_MOST_WEIGHT: Final = 1_000_000


class InvalidPin(ChannelsError, ValueError):
    """A pin that can't be. ``errors`` are pairs of a field and what is wrong with it, in the reader's language."""

    def __init__(self, errors: list[Fault]) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in errors))
        self.errors = errors


def action_of(value: PinAction | str) -> PinAction:
    """``value`` as an action. Raises InvalidPin."""
    if value not in set(PinAction):
        raise InvalidPin([("action", _("There is no such action."))])
    return PinAction(value)


def source_of(value: PinSource | str) -> PinSource:
    """``value`` as a source. Raises InvalidPin."""
    if value not in set(PinSource):
        raise InvalidPin([("source", _("There is no such source."))])
    return PinSource(value)


def check(pin: PinSpec, *, carriers: Mapping[str, str], now: datetime) -> PinSpec:
    """``pin`` as it may be stored, with its provider's channel filled in. ``carriers``: the channel of each provider.
    Raises InvalidPin with all that is wrong."""
    faults = [*_general(pin, now), *_target(pin, carriers), *_PARAMETERS[pin.action](pin, carriers)]
    if faults:
        raise InvalidPin(faults)
    return replace(pin, channel=carriers[pin.provider]) if pin.provider else pin


def _general(pin: PinSpec, now: datetime) -> Iterator[Fault]:
    if not pin.reason.strip():
        yield "reason", _("Say why.")
    if not pin.author.strip():
        yield "author", _("Say who orders it.")
    if pin.ends_at <= pin.starts_at:
        yield "ends_at", _("The end has to be after the start.")
    elif pin.ends_at <= now:
        yield "ends_at", _("The end is past.")


def _target(pin: PinSpec, carriers: Mapping[str, str]) -> Iterator[Fault]:
    allowed = _MAY_NAME[pin.action]
    for name in _PARTS:
        if getattr(pin, name) and name not in allowed:
            yield name, _("This action has nothing to do with it.")
    needed = allowed[:1] if pin.action not in {PinAction.THROTTLE, PinAction.HOLD} else ()
    for name in needed:
        if not getattr(pin, name):
            yield name, _("This action needs it.")
    if not any(getattr(pin, name) for name in _PARTS):
        yield "target", _("Say what it is about.")
    if pin.channel and pin.channel not in CHANNELS:
        yield "channel", _("There is no such channel.")
    if pin.priority and pin.priority not in PRIORITIES:
        yield "priority", _("There is no such priority.")
    yield from _provider(pin, carriers)


def _provider(pin: PinSpec, carriers: Mapping[str, str]) -> Iterator[Fault]:
    if not pin.provider:
        return
    if pin.provider not in carriers:
        yield "provider", _("There is no such provider.")
    elif pin.channel not in {"", carriers[pin.provider]}:
        yield "provider", _("It is no provider of this channel.")
    if pin.priority or pin.category or pin.application:
        yield "provider", _("A provider can't be combined with a part of the messages.")


def _weights(pin: PinSpec, carriers: Mapping[str, str]) -> Iterator[Fault]:
    weights = pin.parameters.get("weights")
    if not isinstance(weights, Mapping) or not weights:
        yield "parameters.weights", _("Give each provider a weight.")
        return
    for name, weight in weights.items():
        if carriers.get(name) != pin.channel:
            yield f"parameters.weights.{name}", _("It is no provider of this channel.")
        elif not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= _MOST_WEIGHT:
            yield f"parameters.weights.{name}", _("A weight is a whole number from 0 to 1,000,000.")
            return
    if not any(weights.values()):
        yield "parameters.weights", _("The weights sum to zero: nobody would carry anything.")


def _rate(pin: PinSpec, _carriers: Mapping[str, str]) -> Iterator[Fault]:
    try:
        validate_rate(pin.parameters.get("rate"))
    except ValidationError as error:
        yield "parameters.rate", error.messages[0]


def _fallback(pin: PinSpec, _carriers: Mapping[str, str]) -> Iterator[Fault]:
    fallback = pin.parameters.get("fallback", [])
    if not isinstance(fallback, list | tuple) or any(name not in CHANNELS for name in fallback):
        yield "parameters.fallback", _("Name channels.")
    elif pin.channel in fallback:
        yield "parameters.fallback", _("A channel can't stand in for itself.")


def _nothing(_pin: PinSpec, _carriers: Mapping[str, str]) -> Iterator[Fault]:
    return iter(())


_PARAMETERS: Final[Mapping[PinAction, Callable[[PinSpec, Mapping[str, str]], Iterator[Fault]]]] = {
    PinAction.DISABLE: _nothing,
    PinAction.SET_WEIGHTS: _weights,
    PinAction.SWITCH: _fallback,
    PinAction.SHED_BULK: _nothing,
    PinAction.THROTTLE: _rate,
    PinAction.HOLD: _nothing,
}
