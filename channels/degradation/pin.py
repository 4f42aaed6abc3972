"""A pin: what a person, a plan or a drill has ordered of a channel or a provider. It outranks the engine until it is
over. No I/O: what a pin says, when it is in force, and which messages it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from channels.degradation.standing import ChannelStanding, ChannelState, channel_target, provider_target
from channels.names import PinAction, PinSource, is_staged, staged

#: From the mildest to the strictest: of several on one channel the strictest counts.
_CHANNEL_STATES: Final = {
    PinAction.SHED_BULK: ChannelState.SHEDDING,
    PinAction.SWITCH: ChannelState.SWITCHED,
    PinAction.HOLD: ChannelState.PAUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSpec:
    """An order, in force from ``starts_at`` to ``ends_at`` or until it was ended. An empty part of the target stands
    for all of them. ``parameters``: ``{"weights": {provider: weight}}`` for *set_weights*, ``{"rate": "10/s"}`` for
    *throttle*, ``{"fallback": [channel]}``, if it is not to be the configured one, for *switch*."""

    id: UUID
    action: PinAction
    reason: str
    author: str
    starts_at: datetime
    ends_at: datetime
    source: PinSource = PinSource.MANUAL
    channel: str = ""
    provider: str = ""
    priority: str = ""
    category: str = ""
    application: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether it counts at this moment."""
        return self.starts_at <= now < (self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at))

    @property
    def target(self) -> str:
        """What it is about, in words as a policy has them: ``provider:sms-a``, ``channel:sms priority:bulk``."""
        if self.provider:
            return provider_target(self.provider)
        parts = [channel_target(self.channel)] if self.channel else []
        named = {"priority": self.priority, "category": self.category, "application": self.application}
        return " ".join([*parts, *(f"{name}:{value}" for name, value in named.items() if value)])

    @property
    def words(self) -> str:
        """Who ordered what, until when and why, for timelines: the state of an order, not a sentence."""
        return f"{self.action} by {self.author} ({self.source}) until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.reason}"

    @property
    def weights(self) -> Mapping[str, int]:
        """The weights it sets."""
        found: Mapping[str, int] = self.parameters.get("weights", {})
        return found

    @property
    def rate(self) -> str:
        """The rate it allows: ``10/s``."""
        return str(self.parameters.get("rate", ""))

    @property
    def fallback(self) -> tuple[str, ...]:
        """The channels it switches to; none: those configured."""
        return tuple(self.parameters.get("fallback", ()))

    def concerns(self, *, channel: str, priority: str, category: str, application: str) -> bool:
        """Whether a message is among those it is about, whatever their provider."""
        return (
            self.channel in {"", channel}
            and self.priority in {"", priority}
            and self.category in {"", category}
            and self.application in {"", application}
        )

    @property
    def is_of_lanes(self) -> bool:
        """Whether it is about whole lanes: no message of them has to be looked at."""
        return not (self.provider or self.category or self.application)

    def is_of_lane(self, *, channel: str, priority: str) -> bool:
        """Whether it is about a whole lane, and this one."""
        return self.is_of_lanes and self.concerns(channel=channel, priority=priority, category="", application="")


def in_force(pins: Iterable[PinSpec], *, now: datetime) -> tuple[PinSpec, ...]:
    """Those of ``pins`` that count now, the newest last."""
    return tuple(sorted((one for one in pins if one.is_in_force(now)), key=lambda one: (one.starts_at, one.id)))


def on_channel(pins: Iterable[PinSpec], channel: str) -> tuple[PinSpec, ...]:
    """Those of ``pins`` that have a say in what becomes of this channel's messages, or of some of them. On the stage
    of a drill these are the pins of drills, by the names that the stage has; and off it they are all the others."""
    if is_staged(channel):
        played = (_on_stage(one) for one in pins if one.source is PinSource.DRILL)
        return tuple(one for one in played if one.channel in {"", channel})
    return tuple(one for one in pins if one.source is not PinSource.DRILL and one.channel in {"", channel})


def _on_stage(pin: PinSpec) -> PinSpec:
    parameters = dict(pin.parameters)
    if pin.weights:
        parameters["weights"] = {staged(name): weight for name, weight in pin.weights.items()}
    return replace(
        pin,
        channel=pin.channel and staged(pin.channel),
        provider=pin.provider and staged(pin.provider),
        parameters=parameters,
    )


def removed(pins: Sequence[PinSpec]) -> dict[str, PinSpec]:
    """The providers that carry nothing, each with the pin that says so."""
    without = {PinAction.DISABLE, PinAction.HOLD}
    return {one.provider: one for one in pins if one.provider and one.action in without}


def reweighted(pins: Sequence[PinSpec], configured: Mapping[str, float]) -> dict[str, float]:
    """The configured weights as people have ordered them to be, without the providers that carry nothing."""
    setting, out = reweighting(pins), removed(pins)
    weights = configured if setting is None else {name: setting.weights.get(name, 0) for name in configured}
    return {name: weight for name, weight in weights.items() if name not in out}


def reweighting(pins: Sequence[PinSpec]) -> PinSpec | None:
    """The pin that sets the weights: the newest."""
    return next((one for one in reversed(pins) if one.action is PinAction.SET_WEIGHTS), None)


def of_channel(pins: Sequence[PinSpec]) -> PinSpec | None:
    """The pin that says how the whole channel stands: the strictest."""
    whole = [one for one in pins if one.action in _CHANNEL_STATES and one.is_of_lanes and not one.priority]
    order = list(_CHANNEL_STATES)
    return max(whole, key=lambda one: order.index(one.action), default=None)


def channel_standing(pin: PinSpec) -> ChannelStanding:
    """How a channel stands under ``pin``, one of ``of_channel``."""
    state = _CHANNEL_STATES[pin.action]
    return ChannelStanding(state=state, share=0.0, since=pin.starts_at, changed_at=pin.starts_at, reason=pin.words)


def holding(pins: Sequence[PinSpec], *, channel: str, priority: str, category: str, application: str) -> PinSpec | None:
    """The pin that holds this message, whatever provider it would go to: the one that ends last."""
    held = [
        one
        for one in pins
        if one.action is PinAction.HOLD
        and not one.provider
        and one.concerns(channel=channel, priority=priority, category=category, application=application)
    ]
    return max(held, key=lambda one: one.ends_at, default=None)


def holding_provider(pins: Sequence[PinSpec]) -> PinSpec | None:
    """The pin that holds a provider, with what would go to it: the one that ends last."""
    held = [one for one in pins if one.action is PinAction.HOLD and one.provider]
    return max(held, key=lambda one: one.ends_at, default=None)


def holds_lane(pins: Sequence[PinSpec], *, channel: str, priority: str) -> bool:
    """Whether nothing of this lane goes out, so that nothing of it need be fetched."""
    return any(one.action is PinAction.HOLD and one.is_of_lane(channel=channel, priority=priority) for one in pins)


def throttling(
    pins: Sequence[PinSpec], *, channel: str, priority: str, category: str, application: str
) -> list[PinSpec]:
    """The pins that slow this message down, whatever provider it would go to."""
    return [
        one
        for one in pins
        if one.action is PinAction.THROTTLE
        and not one.provider
        and one.concerns(channel=channel, priority=priority, category=category, application=application)
    ]
