"""What a person, a plan or a drill may do to traffic: pure.

An action is a kind, a target written as ``channel:sms``, and parameters. It acts on the world only as a pin
(``channels.degradation.pins``): ``to_pin`` says which.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from admin_portal.kept_words import Words as _
from admin_portal.models.requests import ActionKind
from admin_portal.steering.errors import Fault
from admin_portal.steering.setup import Carrier as Carrier
from admin_portal.steering.setup import Setup as Setup
from channels.names import CHANNELS, PRIORITIES

Kind = ActionKind
MOST_WEIGHT: Final = 1_000_000
MOST_RATE: Final = 100_000
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class TargetKind(StrEnum):
    """To what it is done."""

    CHANNEL = "channel"
    PROVIDER = "provider"
    PRIORITY = "priority"
    CATEGORY = "category"
    APPLICATION = "application"


_MESSAGES: Final = frozenset({TargetKind.CHANNEL, TargetKind.PRIORITY, TargetKind.CATEGORY, TargetKind.APPLICATION})
#: Which kinds of target each action makes sense for.
TARGETS: Final[Mapping[Kind, frozenset[TargetKind]]] = MappingProxyType(
    {
        Kind.DISABLE_PROVIDER: frozenset({TargetKind.PROVIDER}),
        Kind.SET_WEIGHTS: frozenset({TargetKind.CHANNEL}),
        Kind.SWITCH_CHANNEL: frozenset({TargetKind.CHANNEL}),
        Kind.SHED_BULK: frozenset({TargetKind.CHANNEL}),
        Kind.THROTTLE: frozenset(TargetKind),
        Kind.PAUSE: _MESSAGES,
    }
)
_PARAMETER: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.SET_WEIGHTS: "weights", Kind.SWITCH_CHANNEL: "to", Kind.THROTTLE: "rate_per_s"}
)
#: Targets that can be narrowed to one channel (parameter ``channel``).
NARROWED: Final = frozenset({TargetKind.PRIORITY, TargetKind.CATEGORY, TargetKind.APPLICATION})
_PIN_ACTIONS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.DISABLE_PROVIDER: "disable",
        Kind.SET_WEIGHTS: "set_weights",
        Kind.SWITCH_CHANNEL: "switch",
        Kind.SHED_BULK: "shed_bulk",
        Kind.THROTTLE: "throttle",
        Kind.PAUSE: "hold",
    }
)
#: Of two on one target these want different things of the same messages; shedding bulk goes together with the others.
_EXCLUSIVE: Final = frozenset({Kind.SWITCH_CHANNEL, Kind.PAUSE})
_THROTTLES_NOTHING: Final = frozenset({Kind.THROTTLE, Kind.DISABLE_PROVIDER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do. ``parameters``: ``weights`` (provider to weight) for *set weights*, ``to`` (a channel) for
    *switch channel*, ``rate_per_s`` (a whole number) for *throttle*; and ``channel`` where a priority, a category or an
    application is meant on one channel only."""

    kind: Kind
    target: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def target_kind(self) -> str:
        """The part of the target before the colon."""
        return self.target.partition(":")[0]

    @property
    def target_name(self) -> str:
        """The part of the target after the colon."""
        return self.target.partition(":")[2]

    @property
    def channel(self) -> str:
        """The channel it is narrowed to; empty: all of them, or the target says it."""
        return str(self.parameters.get("channel") or "")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind.value, "target": self.target, "parameters": dict(self.parameters)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave. Raises ValueError for an unknown kind, KeyError for one that is missing."""
        return cls(kind=Kind(data["kind"]), target=data["target"], parameters=dict(data.get("parameters") or {}))


# --- whether it makes sense -------------------------------------------------------------------------------------------


def validate(action: Action, *, setup: Setup) -> tuple[Fault, ...]:
    """What is wrong with ``action`` as things are; empty: nothing."""
    faults = tuple(_faults_of_target(action, setup))
    return faults or (*_faults_of_shape(action), *_CHECKS[action.kind](action, setup))


def has_target(action: Action, *, setup: Setup) -> bool:
    """Whether what ``action`` is about exists. Any category does: applications write them as they like."""
    kind, name = action.target_kind, action.target_name
    known: Mapping[str, Collection[str]] = {
        TargetKind.CHANNEL: CHANNELS,
        TargetKind.PROVIDER: setup.providers,
        TargetKind.PRIORITY: PRIORITIES,
        TargetKind.APPLICATION: setup.applications,
        TargetKind.CATEGORY: {name} if 0 < len(name) <= 64 else (),
    }
    return kind in known and name in known[kind]


def _faults_of_target(action: Action, setup: Setup) -> Iterator[Fault]:
    if not has_target(action, setup=setup):
        yield Fault("target", "unknown_target", _("There is no target “%(target)s”.") % {"target": action.target})
    elif TargetKind(action.target_kind) not in TARGETS[action.kind]:
        words = _("“%(action)s” can't be done to a target of this kind.") % {"action": action.kind.label}
        yield Fault("target", "wrong_target", words)


def _faults_of_shape(action: Action) -> Iterator[Fault]:
    known = {_PARAMETER.get(action.kind, "")} | ({"channel"} if action.target_kind in NARROWED else set())
    for name in sorted(set(action.parameters) - known):
        words = _("“%(name)s” means nothing to this action.") % {"name": name}
        yield Fault(name, "unknown_parameter", words)
    if action.channel and action.channel not in CHANNELS:
        yield Fault("channel", "unknown_channel", _("There is no channel “%(name)s”.") % {"name": action.channel})


def _nothing_more(action: Action, setup: Setup) -> Iterator[Fault]:
    yield from ()


def _faults_of_disabling(action: Action, setup: Setup) -> Iterator[Fault]:
    if not setup.providers[action.target_name].enabled:
        words = _("%(provider)s is disabled already, by its configuration.") % {"provider": action.target_name}
        yield Fault("target", "already_disabled", words)


def _faults_of_weights(action: Action, setup: Setup) -> Iterator[Fault]:
    weights, carriers = action.parameters.get("weights"), setup.carriers(action.target_name)
    if not isinstance(weights, Mapping) or not weights:
        yield Fault("weights", "required", _("Write a weight for each provider of the channel."))
        return
    for name, weight in weights.items():
        if name not in carriers:
            words = _("%(provider)s is no enabled provider of %(channel)s.")
            yield Fault("weights", "unknown_provider", words % {"provider": name, "channel": action.target_name})
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= MOST_WEIGHT:
            words = _("The weight of %(provider)s must be a whole number from 0 to %(most)d.")
            yield Fault("weights", "wrong_weight", words % {"provider": name, "most": MOST_WEIGHT})
            return
    missing = [name for name in carriers if name not in weights]
    if missing:
        words = _("No weight is given for %(providers)s.") % {"providers": ", ".join(missing)}
        yield Fault("weights", "missing_weight", words)
    if sum(weights.values()) == 0:
        words = _("The weights sum to zero: nobody would carry %(channel)s. Pause it if that is meant.")
        yield Fault("weights", "zero_weights", words % {"channel": action.target_name})


def _faults_of_switching(action: Action, setup: Setup) -> Iterator[Fault]:
    source, to = action.target_name, action.parameters.get("to")
    if to not in CHANNELS:
        yield Fault("to", "unknown_channel", _("Choose the channel that is to take over."))
    elif to == source or source in _reached_from(to, setup):
        words = _("%(to)s sends its messages to %(source)s: they would go round in circles.")
        yield Fault("to", "cycle", words % {"to": to, "source": source})
    elif to in setup.impaired:
        words = _("%(to)s is itself degraded (%(how)s).") % {"to": to, "how": setup.impaired[to]}
        yield Fault("to", "degraded_fallback", words)
    elif not setup.carriers(to):
        yield Fault("to", "nobody_carries", _("%(to)s has no enabled provider.") % {"to": to})


def _reached_from(channel: str, setup: Setup) -> set[str]:
    """Every channel to which messages of ``channel`` go in the end."""
    reached: set[str] = set()
    ahead = [channel]
    while ahead:
        new = set(setup.switched.get(ahead.pop(), ())) - reached
        reached |= new
        ahead += new
    return reached


def _faults_of_throttling(action: Action, setup: Setup) -> Iterator[Fault]:
    rate = action.parameters.get("rate_per_s")
    if isinstance(rate, bool) or not isinstance(rate, int) or not 0 < rate <= MOST_RATE:
        words = _("Write how many messages a second may go: a whole number from 1 to %(most)d.") % {"most": MOST_RATE}
        yield Fault("rate_per_s", "wrong_rate", words)
    if action.target_kind == TargetKind.PRIORITY and not action.channel:
        yield Fault("channel", "required", _("To throttle a priority, say on which channel."))


_CHECKS: Final = MappingProxyType(
    {
        Kind.DISABLE_PROVIDER: _faults_of_disabling,
        Kind.SET_WEIGHTS: _faults_of_weights,
        Kind.SWITCH_CHANNEL: _faults_of_switching,
        Kind.SHED_BULK: _nothing_more,
        Kind.THROTTLE: _faults_of_throttling,
        Kind.PAUSE: _nothing_more,
    }
)


# --- two of them ------------------------------------------------------------------------------------------------------


def conflicts(one: Action, other: Action) -> bool:
    """Whether both at the same time contradict each other or make one of them pointless. Symmetric."""
    return _contradicts(one, other) or _contradicts(other, one)


def _contradicts(one: Action, other: Action) -> bool:
    if one.target == other.target:
        if one.channel and other.channel and one.channel != other.channel:
            return False
        kinds = {one.kind, other.kind}
        return len(kinds) == 1 or Kind.PAUSE in kinds or kinds == _THROTTLES_NOTHING
    if one.kind is Kind.SET_WEIGHTS and other.kind is Kind.DISABLE_PROVIDER:
        return bool(weights_of(one).get(other.target_name))
    if one.kind is Kind.SWITCH_CHANNEL and other.kind in _EXCLUSIVE:
        return other.target == f"{TargetKind.CHANNEL}:{one.parameters.get('to')}"
    return False


def weights_of(action: Action) -> Mapping[str, Any]:
    """Those it sets; of an action that is not valid there may be none."""
    weights = action.parameters.get("weights")
    return weights if isinstance(weights, Mapping) else {}


# --- as a pin ---------------------------------------------------------------------------------------------------------


def to_pin(action: Action) -> dict[str, Any]:
    """What ``pins.put`` is to be called with to bring a valid ``action`` about, besides who, why and how long."""
    parameters: dict[str, Any] = {}
    if action.kind is Kind.SET_WEIGHTS:
        parameters = {"weights": dict(action.parameters["weights"])}
    elif action.kind is Kind.SWITCH_CHANNEL:
        parameters = {"fallback": [action.parameters["to"]]}
    elif action.kind is Kind.THROTTLE:
        parameters = {"rate": f"{action.parameters['rate_per_s']}/s"}
    where = {action.target_kind: action.target_name, **({"channel": action.channel} if action.channel else {})}
    return {"action": _PIN_ACTIONS[action.kind], "parameters": parameters, **where}
