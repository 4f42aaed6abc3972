"""Permits to hand messages over: from a provider's own rate limit, from what people have ordered beyond it, and from
the pace at which held bulk comes back."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from channels.degradation.pin import PinSpec
from channels.limiter import Limiter, parse_rate, shared
from channels.names import PinAction
from channels.rooms import has_callbacks
from channels.specs import ChannelSpec, ProviderSpec, is_built_in

#: Until when (time.monotonic()) an order has nothing to give, as this process was told.
_REFUSED_UNTIL: Final[dict[UUID, float]] = {}
#: A slowed down lane has at hand what it may send in so many seconds.
_AHEAD_S: Final = 2.0


class Grant(NamedTuple):
    """So many messages may go to a provider now, and more in so many seconds. ``limit`` says in words what kept it from
    being all; ``everywhere``: another provider would not be quicker."""

    granted: int
    more_in: float = 0.0
    limit: str = ""
    everywhere: bool = False


def take(*, limiter: Limiter, channel: ChannelSpec, spec: ProviderSpec, priority: str, wanted: int) -> Grant:
    """Up to ``wanted`` permits for messages of one lane and one provider."""
    grant = Grant(wanted)
    # Neither tests nor callbacks are what anybody has slowed down.
    for order in () if is_built_in(spec.name) else channel.pins:
        everywhere = not order.provider
        if _slows(order, channel=channel.name, provider=spec.name, priority=priority):
            granted, more_in = _take(limiter, order, priority=priority, wanted=grant.granted)
            if granted < grant.granted:
                grant = Grant(granted, more_in, f"{order.target} {order.words}", everywhere)
    pace = math.inf if is_built_in(spec.name) else _pace(channel, priority)
    if pace < math.inf:
        # Only bulk asks for these: no part of them is kept for anybody more urgent.
        granted, more_in = limiter.take(
            provider=f"return:{channel.name}", rate=f"{math.ceil(pace)}/s", wanted=grant.granted, priority="critical"
        )
        if granted < grant.granted:
            grant = Grant(granted, more_in, f"{channel.name} bulk comes back at {math.ceil(pace)}/s", everywhere=True)
    granted, more_in = limiter.take(provider=spec.name, rate=spec.rate_limit, wanted=grant.granted, priority=priority)
    if granted == grant.granted:
        return grant
    return Grant(granted, more_in, f"{spec.name} is at its rate limit of {spec.rate_limit}")


def worth_fetching(channel: ChannelSpec, priority: str, *, waiting: int, at_most: int) -> int:
    """How many messages of a lane, up to ``at_most``, are worth having at hand besides those that wait already: not
    more than a slowed down lane may send soon. The others are better off in the table."""
    for order in channel.pins:
        if order.action is PinAction.THROTTLE and order.is_of_lane(channel=channel.name, priority=priority):
            rate = parse_rate(order.rate)
            at_most = min(at_most, _ahead(rate.amount / rate.period_s) - waiting)
    pace = _pace(channel, priority)
    if pace < math.inf:
        at_most = min(at_most, _ahead(pace) - waiting)
    return max(at_most, 0)


def _ahead(per_s: float) -> int:
    return max(1, math.ceil(per_s * _AHEAD_S))


def _pace(channel: ChannelSpec, priority: str) -> float:
    """At how many messages a second a lane comes back. Not where status callbacks travel: those that wait for the pace
    would be in their way."""
    if priority != "bulk" or channel.standing is None or has_callbacks(channel.name):
        return math.inf
    # What is fetched of a lane that is held is to find out whether it need be.
    return channel.standing.bulk_pace(now=datetime.now(UTC)) or math.inf


def allow(order: PinSpec, *, priority: str) -> bool:
    """Whether one more message may go under ``order``, which slows down a part of the messages."""
    if time.monotonic() < _REFUSED_UNTIL.get(order.id, 0.0):
        return False
    granted, more_in = _take(shared(), order, priority=priority, wanted=1)
    if not granted:
        _REFUSED_UNTIL[order.id] = time.monotonic() + more_in
    return bool(granted)


def _take(limiter: Limiter, order: PinSpec, *, priority: str, wanted: int) -> tuple[int, float]:
    return limiter.take(provider=f"pin:{order.id}", rate=order.rate, wanted=wanted, priority=priority)


def _slows(order: PinSpec, *, channel: str, provider: str, priority: str) -> bool:
    """Whether an order slows down a whole lane, or a provider, and it is this one."""
    if order.action is not PinAction.THROTTLE:
        return False
    if order.provider:
        return order.provider == provider
    return order.is_of_lane(channel=channel, priority=priority)
