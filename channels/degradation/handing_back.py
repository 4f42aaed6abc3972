"""What the engine does about a target that a person has pinned: nothing, but see to how it comes back. Pure.

What is stored under a pin is how the target will stand in the moment the pin is over: at the first step of its ramp,
where the pin took traffic away. The pin's end needs no job, then: whoever looks at the clock sees the right thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from channels.degradation import pin
from channels.degradation.channel_rules import pace
from channels.degradation.pin import PinSpec
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.degradation.thresholds import Thresholds

#: How a pinned provider's state is written in events; a pinned channel's is one of its own states.
PINNED: Final = "pinned"
_FROM_BEST: Final = list(ChannelState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What a pin makes of a target: ``share`` is what it carries of its configured traffic, from 0 to 1; ``source`` and
    ``words`` say whose pin it is."""

    share: float
    source: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedChannel:
    """How a channel stands under a pin, and whose pin it is."""

    standing: ChannelStanding
    source: str


def pinned_providers(pins: Sequence[PinSpec], *, configured: Mapping[str, float]) -> dict[str, Pinned]:
    """The providers among ``configured`` that ``pins`` decide on, with their weights as configured."""
    out, setting = pin.removed(pins), pin.reweighting(pins)
    found = {}
    if setting is not None:
        left = {name: float(setting.weights.get(name, 0)) for name in configured if name not in out}
        before, after = _fractions(configured), _fractions(left)
        for name in left:
            share = min(1.0, after[name] / before[name]) if before[name] else 1.0
            found[name] = Pinned(share=share, source=setting.source, words=setting.words)
    for name in configured:
        if name in out:
            found[name] = Pinned(share=0.0, source=out[name].source, words=out[name].words)
    return found


def _fractions(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total if total else 1 / len(weights) for name, weight in weights.items()}


def pinned_channel(pins: Sequence[PinSpec]) -> PinnedChannel | None:
    """How ``pins`` say that the channel stands; None when they say nothing of it as a whole."""
    found = pin.of_channel(pins)
    return None if found is None else PinnedChannel(standing=pin.channel_standing(found), source=found.source)


def keep_provider(standing: ProviderStanding, *, by: Pinned, thresholds: Thresholds, now: datetime) -> ProviderStanding:
    """What is stored of a pinned provider. One that carried on by its own state, open for example, keeps it."""
    kept = replace(standing, pinned_by=by.source)
    if not standing.pinned_by:
        kept = replace(kept, changed_at=now)
    step = thresholds.ramp.at_most(by.share)
    if not standing.carries or step >= standing.share:
        return kept
    state = standing.state if standing.state is ProviderState.DEGRADED else ProviderState.RECOVERING
    since = standing.since if state is standing.state else now
    return replace(kept, state=state, share=step, since=since, changed_at=now, reason=by.words)


def release_provider(standing: ProviderStanding, *, now: datetime) -> ProviderStanding:
    """A provider whose pin is over: as it stands, and from now on the engine's again."""
    return replace(standing, pinned_by="", changed_at=now, reason=_over(standing.pinned_by, standing.reason))


def keep_channel(
    standing: ChannelStanding, *, by: PinnedChannel, thresholds: Thresholds, flow: float, now: datetime
) -> ChannelStanding:
    """What is stored of a pinned channel: the state that it is pinned to, at the first step of the way back; or the
    engine's own, where that was worse. ``flow``: how many messages a second it got through of late."""
    kept = replace(standing, pinned_by=by.source)
    if not standing.pinned_by:
        kept = replace(kept, changed_at=now)
    if _FROM_BEST.index(standing.state) >= _FROM_BEST.index(by.standing.state):
        return kept
    return replace(
        kept,
        state=by.standing.state,
        share=thresholds.ramp.lowest,
        since=now,
        changed_at=now,
        reason=by.standing.reason,
        rising=True,
        stopped=by.standing.state is ChannelState.PAUSED,
        hold_s=thresholds.escalation.hold_s,
        pace=pace(standing, flow=flow, thresholds=thresholds),
    )


def release_channel(standing: ChannelStanding, *, now: datetime) -> ChannelStanding:
    """A channel whose pin is over."""
    return replace(standing, pinned_by="", changed_at=now, reason=_over(standing.pinned_by, standing.reason))


def _over(source: str, reason: str) -> str:
    return f"the pin ({source}) is over; {reason}" if reason else f"the pin ({source}) is over"
