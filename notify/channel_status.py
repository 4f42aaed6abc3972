"""How the channels are: their providers, how well those did lately, and how deep the lanes are. For people and
programs that look, not for decisions."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from channels import errors
from channels.degradation import pin, pins
from channels.degradation.pin import PinSpec
from channels.degradation.standing import (
    ChannelStanding,
    ChannelState,
    ProviderStanding,
    ProviderState,
    channel_target,
    provider_target,
)
from channels.degradation.standings import Standings
from channels.degradation.standings import read as read_standings
from channels.degradation.weights import effective_weights
from channels.models import Provider
from channels.names import CHANNELS, split_lane
from notify import queries
from notify.ids import floor_id
from notify.models import Attempt

_WINDOW: Final = timedelta(minutes=15)
#: The newest attempts are looked at, not all of the window: enough for a figure, and the same cost on a busy day.
_SAMPLE: Final = 5_000
_KEPT_FOR_S: Final = 1.0
_AT_REST: Final = (ProviderState.HEALTHY, ProviderState.DISABLED)


@dataclass(frozen=True, slots=True)
class Quality:
    """What the sample says of a provider: the share of conversations without a fault of its own, and its latency."""

    success_rate: float
    p95_ms: float


def _all_errors(root: type[errors.ProviderError]) -> Iterator[type[errors.ProviderError]]:
    yield root
    for child in root.__subclasses__():
        yield from _all_errors(child)


def _quality(tries: Sequence[tuple[str, float]], blameless: frozenset[str]) -> Quality | None:
    counted = [outcome for outcome, _latency in tries if outcome not in blameless]
    if not counted:
        return None
    latencies = sorted(latency for _outcome, latency in tries)
    p95 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.95))]
    return Quality(success_rate=round(counted.count("sent") / len(counted), 4), p95_ms=round(p95, 1))


def provider_quality(*, now: datetime) -> dict[str, Quality]:
    """The quality of each provider that was asked lately."""
    known = [*_all_errors(errors.ProviderError)]
    # A code may stand for both: a provider's silence, and that of an address which is a server itself.
    blameless = frozenset(error.code for error in known if not error.provider_fault) - {
        error.code for error in known if error.provider_fault
    }
    newest = (
        Attempt.objects.filter(id__gte=floor_id(now - _WINDOW))
        .order_by("-id")
        .values_list("provider", "outcome", "latency_ms")[:_SAMPLE]
    )
    tries: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for provider, outcome, latency in newest:
        tries[provider].append((outcome, latency))
    found = {provider: _quality(its_tries, blameless) for provider, its_tries in tries.items()}
    return {provider: quality for provider, quality in found.items() if quality is not None}


def _provider(
    provider: Provider, quality: Quality | None, standing: ProviderStanding | None, weight: float, order: PinSpec | None
) -> dict[str, Any]:
    state, reason = "healthy", None
    if not provider.enabled:
        state, reason = "disabled", "switched off in its configuration"
    elif order is not None:
        state, reason = "disabled", order.words
    elif standing is not None:
        state, reason = standing.state.value, standing.reason or None
    return {
        "name": provider.name,
        "state": state,
        "weight": provider.weight,
        "effective_weight": round(weight),
        "success_rate": quality.success_rate if quality is not None else None,
        "p95_ms": quality.p95_ms if quality is not None else None,
        "reason": reason,
    }


def _decided(
    channel: str, own: ChannelStanding | None, providers: Sequence[Provider], found: Standings
) -> list[dict[str, Any]]:
    """What the engine has decided. It has no end: it is over when all is well again."""
    standings: list[tuple[str, ProviderStanding | ChannelStanding]] = []
    if own is not None and own.state is not ChannelState.NORMAL and not own.pinned_by:
        standings.append((channel_target(channel), own))
    for provider in providers:
        one = found.providers.get(provider.name)
        if one is not None and one.state not in _AT_REST and not one.pinned_by:
            standings.append((provider_target(provider.name), one))
    return [
        {
            "id": uuid5(NAMESPACE_URL, f"{target}@{standing.since.isoformat()}"),
            "source": "auto",
            "action": standing.state.value,
            "target": target,
            "reason": standing.reason,
            "author": None,
            "started_at": standing.since,
            "ends_at": None,
        }
        for target, standing in standings
    ]


def _ordered(orders: Sequence[PinSpec]) -> list[dict[str, Any]]:
    """What people have ordered."""
    return [
        {
            "id": one.id,
            "source": one.source.value,
            "action": one.action.value,
            "target": one.target,
            "reason": one.reason,
            "author": one.author,
            "started_at": one.starts_at,
            "ends_at": one.ends_at,
        }
        for one in orders
    ]


def describe(*, now: datetime) -> list[dict[str, Any]]:
    """Every channel, also those without a provider, in the shape of the API."""
    quality = provider_quality(now=now)
    found, in_force = read_standings(), pins.active(now=now)
    rows: dict[str, list[Provider]] = defaultdict(list)
    for row in Provider.objects.defer("config").order_by("-weight", "name"):
        rows[row.channel].append(row)
    lanes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for lane in queries.lane_depths(now=now):
        channel, _priority = split_lane(lane.name)
        lanes[channel].append({"name": lane.name, "depth": lane.depth, "oldest_age_s": lane.oldest_age_s})
    return [
        {**_channel(channel, rows[channel], quality, found, pin.on_channel(in_force, channel)), "lanes": lanes[channel]}
        for channel in CHANNELS
    ]


def _channel(
    name: str,
    providers: Sequence[Provider],
    quality: Mapping[str, Quality],
    found: Standings,
    orders: Sequence[PinSpec],
) -> dict[str, Any]:
    weights = effective_weights(
        standings=found.providers if pin.reweighting(orders) is None else {},
        configured=pin.reweighted(orders, {one.name: one.weight for one in providers if one.enabled}),
    )
    whole, own, removed = pin.of_channel(orders), found.channels.get(name), pin.removed(orders)
    standing = own if whole is None else pin.channel_standing(whole)
    return {
        "name": name,
        "state": standing.state.value if standing is not None else "normal",
        "providers": [
            _provider(
                one,
                quality.get(one.name),
                found.providers.get(one.name),
                weights.get(one.name, 0.0),
                removed.get(one.name),
            )
            for one in providers
        ],
        "degradations": [*_ordered(orders), *_decided(name, own, providers, found)],
    }


class Board:
    """``describe``, asked at most once in ``_KEPT_FOR_S`` by a process, however many look."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read_at = float("-inf")
        self._kept: list[dict[str, Any]] = []

    def read(self, *, now: datetime) -> list[dict[str, Any]]:
        """The channels as they were a moment ago."""
        with self._lock:
            if time.monotonic() - self._read_at > _KEPT_FOR_S:
                self._kept = describe(now=now)
                self._read_at = time.monotonic()
            return self._kept


board: Final = Board()
