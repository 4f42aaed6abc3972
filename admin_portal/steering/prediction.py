"""What an action would do to the traffic of the last hour: pure.

What would move where, whether those who would carry it can take it, what would wait, and which messages would have no
way left. A forecast: the next hour may be another one, and the page says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from admin_portal.steering.actions import Action, Kind, Setup, TargetKind
from admin_portal.steering.effect import Prediction as Prediction
from admin_portal.steering.effect import Shift, Stranded
from admin_portal.steering.traffic import Flow, Group, Traffic

_NO_FLOW: Final = Flow()


def predict(action: Action, *, traffic: Traffic, setup: Setup) -> Prediction:
    """The effect of a valid ``action``."""
    view = _View(traffic=_to_scale(traffic, setup), setup=setup)
    found = _EFFECTS[action.kind](action, view)
    return view.outcome(found)


def _to_scale(traffic: Traffic, setup: Setup) -> Traffic:
    """``traffic`` with its kinds of messages such that those of a channel add up to what its providers carried: a
    sample says what there is, and over a few seconds not how much of it there is in an hour."""
    carried: defaultdict[str, float] = defaultdict(float)
    for name, one in setup.providers.items():
        carried[one.channel] += traffic.flows.get(name, _NO_FLOW).per_s
    seen: defaultdict[str, float] = defaultdict(float)
    for group in traffic.groups:
        seen[group.channel] += group.per_s
    groups = [
        replace(group, per_s=group.per_s * carried[group.channel] / seen[group.channel])
        if carried[group.channel] and seen[group.channel]
        else group
        for group in traffic.groups
    ]
    return replace(traffic, groups=groups)


@dataclass(slots=True)
class _Effect:
    """What happens, still without the providers of other channels: loads by provider afterwards, groups that go to
    another channel, that wait for the end, that have no way, and the rate that waits for its turn."""

    loads: Mapping[str, float]
    switched: Sequence[tuple[Group, str]] = ()
    held: Sequence[Group] = ()
    stranded: Sequence[Group] = ()
    delayed_per_s: float = 0.0
    unseen_critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    traffic: Traffic
    setup: Setup

    def flow(self, provider: str) -> Flow:
        return self.traffic.flows.get(provider, _NO_FLOW)

    def load(self, channel: str) -> float:
        """What a channel carries: by its providers' figures, or, where there are none yet, by the sample."""
        carried = sum(self.flow(name).per_s for name in self.setup.carriers(channel))
        return carried or sum(one.per_s for one in self.traffic.groups if one.channel == channel)

    def of(self, channel: str) -> list[Group]:
        return [one for one in self.traffic.groups if one.channel == channel]

    def way(self, group: Group, fallback: Iterable[str]) -> str | None:
        """The channel that a message goes to when its own does not carry it; None: nowhere."""
        others = (*group.later, *(name for name in fallback if name in group.reachable))
        return next((name for name in others if self._is_usable(name)), None)

    def _is_usable(self, channel: str) -> bool:
        return channel not in self.setup.impaired and bool(self.setup.carrying(channel))

    def spread(
        self, per_s: float, providers: Sequence[str], weights: Mapping[str, int] | None = None
    ) -> dict[str, float]:
        """``per_s`` over ``providers`` by weight; those of weight 0 carry only when there is nobody else."""
        given = {name: self._weight(name, weights) for name in providers}
        total = sum(given.values())
        if not total:
            return {name: per_s / len(given) for name in given}
        return {name: per_s * weight / total for name, weight in given.items()}

    def _weight(self, name: str, weights: Mapping[str, int] | None) -> int:
        return self.setup.providers[name].weight if weights is None else weights.get(name, 0)

    def outcome(self, effect: _Effect) -> Prediction:
        loads = dict(effect.loads)
        arriving: dict[str, float] = {}
        for group, channel in effect.switched:
            arriving[channel] = arriving.get(channel, 0.0) + group.per_s
        for channel, per_s in arriving.items():
            for name, share in self.spread(per_s, self.setup.carrying(channel)).items():
                loads[name] = loads.get(name, self.flow(name).per_s) + share
        return Prediction(
            shifts=tuple(self._shift(name, after) for name, after in sorted(loads.items())),
            switched_per_s=_rate(group for group, _channel in effect.switched),
            held_per_s=_rate(effect.held),
            delayed_per_s=effect.delayed_per_s,
            stranded=_stranded(effect.stranded),
            unseen_critical=effect.unseen_critical,
            sampled=self.traffic.sampled,
        )

    def _shift(self, name: str, after: float) -> Shift:
        flow = self.flow(name)
        return Shift(
            provider=name,
            channel=self.setup.providers[name].channel,
            before_per_s=flow.per_s,
            after_per_s=after,
            peak_per_s=flow.peak_per_s,
            capacity_per_s=flow.capacity_per_s,
        )


def _rate(groups: Iterable[Group]) -> float:
    return sum(one.per_s for one in groups)


def _stranded(groups: Iterable[Group]) -> tuple[Stranded, ...]:
    """By kind, the most urgent first."""
    rates: dict[tuple[str, str, str, str], float] = {}
    for one in groups:
        kind = (one.channel, one.priority, one.category, one.application)
        rates[kind] = rates.get(kind, 0.0) + one.per_s
    order = {"critical": 0, "normal": 1, "bulk": 2}
    rows = [
        Stranded(channel=kind[0], priority=kind[1], category=kind[2], application=kind[3], per_hour=rate * 3600)
        for kind, rate in rates.items()
    ]
    return tuple(sorted(rows, key=lambda one: (order.get(one.priority, 3), -one.per_hour)))


# --- action by action -------------------------------------------------------------------------------------------------


def _disable(action: Action, view: _View) -> _Effect:
    name = action.target_name
    channel = view.setup.providers[name].channel
    rest = [one for one in view.setup.carrying(channel) if one != name]
    if not rest:
        return _leave(channel, view, fallback=view.setup.fallback.get(channel, ()))
    moved = view.spread(view.flow(name).per_s, rest)
    loads = {one: view.flow(one).per_s + share for one, share in moved.items()}
    return _Effect(loads={**loads, name: 0.0})


def _leave(channel: str, view: _View, *, fallback: Sequence[str]) -> _Effect:
    """Nobody carries ``channel`` any more."""
    switched, stranded = [], []
    for group in view.of(channel):
        way = None if group.priority == "bulk" else view.way(group, fallback)
        if way is None:
            stranded.append(group)
        else:
            switched.append((group, way))
    return _Effect(
        loads=dict.fromkeys(view.setup.carriers(channel), 0.0),
        switched=switched,
        held=stranded,
        stranded=stranded,
        unseen_critical=not any(one.priority == "critical" for one in view.of(channel)),
    )


def _set_weights(action: Action, view: _View) -> _Effect:
    channel, weights = action.target_name, action.parameters["weights"]
    return _Effect(loads=view.spread(view.load(channel), view.setup.carrying(channel), weights))


def _switch(action: Action, view: _View) -> _Effect:
    channel, to = action.target_name, action.parameters["to"]
    if not view.setup.carrying(channel):
        return _leave(channel, view, fallback=[to])
    switched, held, staying = [], [], []
    for group in view.of(channel):
        way = view.way(group, [to])
        if group.priority == "bulk":
            held.append(group)
        elif way is None:
            staying.append(group)
        else:
            switched.append((group, way))
    loads = view.spread(_rate(staying), view.setup.carrying(channel))
    return _Effect(loads=loads, switched=switched, held=held)


def _shed(action: Action, view: _View) -> _Effect:
    channel = action.target_name
    held = [one for one in view.of(channel) if one.priority == "bulk"]
    left = max(view.load(channel) - _rate(held), 0.0)
    return _Effect(loads=view.spread(left, view.setup.carrying(channel)), held=held)


def _throttle(action: Action, view: _View) -> _Effect:
    limit = float(action.parameters["rate_per_s"])
    if action.target_kind == TargetKind.PROVIDER:
        carried = view.flow(action.target_name).per_s
        return _Effect(loads={action.target_name: min(carried, limit)}, delayed_per_s=max(carried - limit, 0.0))
    affected = _affected(action, view)
    return _Effect(loads={}, delayed_per_s=max(_rate(affected) - limit, 0.0))


def _pause(action: Action, view: _View) -> _Effect:
    affected = _affected(action, view)
    # What is held goes on to the next channel of its route when its step's time is over; no other way leads out.
    stranded = [one for one in affected if view.way(one, ()) is None]
    channel = action.target_name if action.target_kind == TargetKind.CHANNEL else ""
    return _Effect(
        loads=dict.fromkeys(view.setup.carriers(channel), 0.0) if channel else {},
        held=affected,
        stranded=stranded,
        unseen_critical=_may_strand_unseen(action, affected),
    )


def _affected(action: Action, view: _View) -> list[Group]:
    """The messages that ``action`` is about."""
    kind, name = action.target_kind, action.target_name
    return [one for one in view.traffic.groups if getattr(one, kind) == name and action.channel in {"", one.channel}]


def _may_strand_unseen(action: Action, affected: Sequence[Group]) -> bool:
    """Whether critical messages of which none was seen would be held. Of a category or an application that sent other
    things, but nothing critical, none are expected."""
    if any(one.priority == "critical" for one in affected):
        return False
    if action.target_kind == TargetKind.PRIORITY:
        return action.target_name == "critical"
    return action.target_kind == TargetKind.CHANNEL or not affected


_EFFECTS: Final = {
    Kind.DISABLE_PROVIDER: _disable,
    Kind.SET_WEIGHTS: _set_weights,
    Kind.SWITCH_CHANNEL: _switch,
    Kind.SHED_BULK: _shed,
    Kind.THROTTLE: _throttle,
    Kind.PAUSE: _pause,
}
