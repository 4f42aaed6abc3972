"""Channels, providers and degradations as the board shows them: pure, from what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from admin_portal.board.queries import Count, ProviderConfig, Ways
from admin_portal.board.traffic import Traffic, Traffics
from admin_portal.engine_words import CHANNEL_STATES, PROVIDER_STATES, SOURCES, told
from admin_portal.steering.action_words import describe_target
from channels.degradation import pin
from channels.degradation.pin import PinSpec
from channels.degradation.standing import (
    ChannelStanding,
    ChannelState,
    ProviderStanding,
    ProviderState,
    channel_target,
    provider_target,
)
from channels.degradation.weights import effective_weights
from channels.names import CHANNELS
from notify.depths import LaneDepth

#: The tone of a state: a class of the style sheet.
TONES: Final[Mapping[str, str]] = {
    ChannelState.NORMAL: "good",
    ChannelState.SHEDDING: "warm",
    ChannelState.SWITCHED: "warm",
    ChannelState.PAUSED: "bad",
    ProviderState.HEALTHY: "good",
    ProviderState.DEGRADED: "warm",
    ProviderState.RECOVERING: "warm",
    ProviderState.OPEN: "bad",
    ProviderState.DISABLED: "calm",
}
_AT_REST: Final = (ProviderState.HEALTHY, ProviderState.DISABLED)
#: Of more providers than this, those that are well are folded away.
SHOWN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """A provider: what it may carry, how it is, and how well it did."""

    pk: int
    name: str
    state: str
    reason: str
    weight: int
    effective: int
    traffic: Traffic

    @property
    def tone(self) -> str:
        return TONES[self.state]

    @property
    def state_label(self) -> Any:
        return PROVIDER_STATES[self.state]

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look."""
        return self.state in _AT_REST and self.weight == self.effective


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A channel: how it stands and why, what waits, its providers."""

    name: str
    state: str
    reason: str
    lanes: Sequence[LaneDepth]
    dead: Count
    held: Count
    providers: Sequence[ProviderRow]
    traffic: Traffic
    is_used: bool

    @property
    def tone(self) -> str:
        return TONES[self.state]

    @property
    def state_label(self) -> Any:
        return CHANNEL_STATES[self.state]

    @property
    def depth(self) -> Count:
        """What is due in its lanes."""
        return Count(sum(lane.depth for lane in self.lanes), any(lane.capped for lane in self.lanes))

    @property
    def oldest_age_s(self) -> float:
        return max((lane.oldest_age_s for lane in self.lanes), default=0.0)

    @property
    def carriers(self) -> int:
        """How many of its providers carry ordinary traffic."""
        return sum(1 for row in self.providers if row.effective > 0 or row.state == ProviderState.HEALTHY)

    @property
    def shown(self) -> list[ProviderRow]:
        """Those that are always in sight: who is not well, and, of few, everybody."""
        if len(self.providers) <= SHOWN:
            return list(self.providers)
        return [row for row in self.providers if not row.is_well]

    @property
    def folded(self) -> list[ProviderRow]:
        """Those that are well, of many."""
        return [] if len(self.providers) <= SHOWN else [row for row in self.providers if row.is_well]


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradationRow:
    """What stands otherwise than configured. ``ends_at`` is None for the engine's: they end when all is well again."""

    target: str
    action: Any
    tone: str
    source: str
    reason: str
    author: str
    since: datetime
    ends_at: datetime | None = None
    pin_id: UUID | None = None

    @property
    def what(self) -> str:
        """The target as people call it."""
        channel, _space, messages = self.target.partition(" ")
        if messages:
            return describe_target(messages, channel=channel.partition(":")[2])
        return describe_target(self.target) or self.target

    @property
    def source_label(self) -> Any:
        return SOURCES.get(self.source, self.source)


def channel_rows(
    ways: Ways,
    *,
    lanes: Mapping[str, Sequence[LaneDepth]],
    traffics: Traffics,
    dead: Mapping[str, Count],
    held: Mapping[str, Count],
) -> list[ChannelRow]:
    """Every channel, those in trouble first, those that nobody uses last."""
    by_channel: dict[str, list[ProviderConfig]] = {name: [] for name in CHANNELS}
    for provider in ways.providers:
        by_channel.setdefault(provider.channel, []).append(provider)
    rows = [
        _channel_row(
            name,
            by_channel[name],
            ways,
            traffics,
            {"lanes": lanes.get(name, ()), "dead": dead.get(name, Count()), "held": held.get(name, Count())},
        )
        for name in CHANNELS
    ]
    order = [ChannelState.PAUSED, ChannelState.SWITCHED, ChannelState.SHEDDING, ChannelState.NORMAL]
    return sorted(rows, key=lambda row: (not row.is_used, order.index(ChannelState(row.state))))


def _channel_row(
    name: str, providers: Sequence[ProviderConfig], ways: Ways, traffics: Traffics, counts: Mapping[str, Any]
) -> ChannelRow:
    orders = pin.on_channel(ways.pins, name)
    whole = pin.of_channel(orders)
    standing = ways.stored.channels.get(name) if whole is None else pin.channel_standing(whole)
    weights = effective_weights(
        standings=ways.stored.providers if pin.reweighting(orders) is None else {},
        configured=pin.reweighted(orders, {one.name: one.weight for one in providers if one.enabled}),
    )
    traffic, removed = traffics.channel(name), pin.removed(orders)
    waits = any(lane.depth for lane in counts["lanes"]) or counts["dead"].number or counts["held"].number
    return ChannelRow(
        name=name,
        state=standing.state if standing is not None else ChannelState.NORMAL,
        reason=told(standing.reason) if standing is not None and not standing.at_rest else "",
        providers=[
            _provider_row(one, weights, ways.stored.providers.get(one.name), removed.get(one.name), traffics)
            for one in providers
        ],
        traffic=traffic,
        is_used=bool(providers or waits or traffic.per_minute),
        **counts,
    )


def _provider_row(
    one: ProviderConfig,
    weights: Mapping[str, float],
    standing: ProviderStanding | None,
    order: PinSpec | None,
    traffics: Traffics,
) -> ProviderRow:
    state, reason = ProviderState.HEALTHY, ""
    if not one.enabled:
        state = ProviderState.DISABLED
    elif order is not None:
        state, reason = ProviderState.DISABLED, order.reason
    elif standing is not None:
        state, reason = standing.state, "" if standing.at_rest else told(standing.reason)
        if state is ProviderState.RECOVERING and _is_pinned(standing):
            # What is stored under a pin is how it will come back; until then people say what it carries.
            state = ProviderState.DEGRADED
    return ProviderRow(
        pk=one.pk,
        name=one.name,
        state=state,
        reason=reason,
        weight=one.weight,
        effective=round(weights.get(one.name, 0.0)),
        traffic=traffics.provider(one.name),
    )


def degradation_rows(ways: Ways) -> list[DegradationRow]:
    """What people have ordered, and then what the engine has decided; the newest first."""
    known = {one.name for one in ways.providers}
    ordered = [
        DegradationRow(
            target=one.target or str(_("everything")),
            action=one.action,
            tone="warm",
            source=one.source,
            reason=one.reason,
            author=one.author,
            since=one.starts_at,
            ends_at=one.ends_at,
            pin_id=one.id,
        )
        for one in reversed(ways.pins)
    ]
    decided = [
        _decided(channel_target(name), one, CHANNEL_STATES[one.state])
        for name, one in ways.stored.channels.items()
        if one.state is not ChannelState.NORMAL and not _is_pinned(one)
    ]
    decided += [
        _decided(provider_target(name), one, PROVIDER_STATES[one.state])
        for name, one in ways.stored.providers.items()
        if one.state not in _AT_REST and not _is_pinned(one) and name in known
    ]
    return [*ordered, *sorted(decided, key=lambda row: row.since, reverse=True)]


def _is_pinned(standing: ChannelStanding | ProviderStanding) -> bool:
    return bool(getattr(standing, "pinned_by", ""))


def _decided(target: str, standing: ChannelStanding | ProviderStanding, action: Any) -> DegradationRow:
    return DegradationRow(
        target=target,
        action=action,
        tone=TONES[standing.state],
        source="auto",
        reason=told(standing.reason),
        author="",
        since=standing.since,
    )
