"""What becomes of a channel as a whole: pure, from its standing and how its providers are.

Down while no provider is well: bulk is held, then what may go elsewhere does, and when nothing gets through at all and
there is nowhere to go, everything waits. Up by steps while one is well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Final

from channels.degradation.standing import ChannelStanding, ChannelState
from channels.degradation.thresholds import Thresholds

#: A loss of less than this share of the weights at once is no surge for the others.
_SURGE_AT_LEAST: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How the providers of a channel are: how many are enabled, of those how many carry traffic, of those how many
    are well; what share of the weights those that carry have; and whether it is slowness that is wrong with them,
    which less load mends (``strained``). ``flow``: how many messages a second they got through of late. ``words`` says
    how each is, when somebody wants to know."""

    enabled: int
    carrying: int
    well: int
    carrying_share: float
    strained: bool
    fallback_usable: bool
    flow: float
    words: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    situation: Situation
    thresholds: Thresholds
    now: datetime

    def waited(self, standing: ChannelStanding) -> float:
        return (self.now - standing.changed_at).total_seconds()

    def pace(self, standing: ChannelStanding) -> float:
        return pace(standing, flow=self.situation.flow, thresholds=self.thresholds)


def next_standing(
    standing: ChannelStanding, *, situation: Situation, thresholds: Thresholds, now: datetime
) -> ChannelStanding:
    """The standing from now on: the same one when there is nothing to change."""
    here = _Here(situation=situation, thresholds=thresholds, now=now)
    if not situation.enabled:
        after = _without_providers(standing, here)
    elif not situation.carrying:
        after = _stop(standing, here)
    elif not situation.well:
        after = _worsen(standing, here)
    elif standing.state is ChannelState.NORMAL:
        after = _rest(standing, here)
    else:
        after = _return(standing, here)
    if after.carrying != situation.carrying_share:
        after = replace(after, carrying=situation.carrying_share)
    return after


def pace(standing: ChannelStanding, *, flow: float, thresholds: Thresholds) -> float:
    """At how many messages a second what is held from now on may come back: what the channel was seen to get through
    before, which is what ``flow`` says for as long as nothing is held."""
    if standing.state is not ChannelState.NORMAL and standing.pace:
        return standing.pace
    # Soon after the last time the flow may still be that of a channel which had little to send.
    known = standing.pace if standing.tripped_at is not None else 0.0
    return max(known, flow, thresholds.escalation.least_pace)


def _changed(standing: ChannelStanding, here: _Here, state: ChannelState, share: float, reason: str) -> ChannelStanding:
    since = standing.since if state is standing.state else here.now
    return replace(standing, state=state, share=share, since=since, changed_at=here.now, reason=reason)


def _fallen(standing: ChannelStanding, here: _Here, state: ChannelState, share: float, reason: str) -> ChannelStanding:
    """A change for the worse. Soon after a recovery, or in the middle of one, it is a relapse, and the next return is
    slower."""
    recovered = standing.rising or standing.state is ChannelState.NORMAL
    relapses = standing.relapses + int(recovered and standing.tripped_at is not None)
    escalation = here.thresholds.escalation
    hold_s = min(here.thresholds.flap.lengthen(escalation.hold_s, relapses), escalation.longest_hold_s)
    stopped = not here.situation.carrying
    tripped = replace(standing, relapses=relapses, tripped_at=here.now, hold_s=hold_s, rising=False, stopped=stopped)
    return _changed(replace(tripped, pace=here.pace(standing)), here, state, share, reason)


def _without_providers(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    """Nothing is wrong with a channel that has no providers: its messages wait, or go elsewhere, by routing."""
    reason = "no provider is enabled"
    if standing.state is ChannelState.NORMAL:
        return standing if standing.reason == reason else replace(standing, reason=reason)
    return replace(_changed(standing, here, ChannelState.NORMAL, 1.0, reason), tripped_at=None, relapses=0)


def _stop(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    """Nobody carries anything: no reason to go by steps."""
    state = ChannelState.SWITCHED if here.situation.fallback_usable else ChannelState.PAUSED
    if standing.state is state and standing.share == 0.0:
        return standing
    whereto = "to the fallback channel" if here.situation.fallback_usable else "all held: no fallback channel is usable"
    return _fallen(standing, here, state, 0.0, f"no provider carries traffic ({here.situation.words()}); {whereto}")


def _worsen(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    """Somebody carries, and nobody well: take load off, step by step."""
    words, escalation = here.situation.words, here.thresholds.escalation
    if standing.stopped and here.situation.strained:
        return _slow_down(standing, here)
    if standing.state in {ChannelState.NORMAL, ChannelState.PAUSED}:
        return _fallen(standing, here, ChannelState.SHEDDING, 0.0, f"no provider is well ({words()}); bulk is held")
    if standing.state is ChannelState.SHEDDING and standing.share > 0:
        return _fallen(
            standing, here, ChannelState.SHEDDING, 0.0, f"no provider is well ({words()}); bulk is held again"
        )
    if not here.situation.fallback_usable or here.waited(standing) < escalation.escalate_s:
        return standing
    share = _below(standing.share, here) if standing.state is ChannelState.SWITCHED else _below(1.0, here)
    if standing.state is ChannelState.SWITCHED and share == standing.share:
        return standing
    reason = f"still no provider is well ({words()}); {1 - share:.0%} of what may goes to the fallback channel"
    return _fallen(standing, here, ChannelState.SWITCHED, share, reason)


def _slow_down(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    """What was held comes back faster than they can take it: a step less, and never nothing."""
    ramp = here.thresholds.ramp
    share = max(ramp.lowest, ramp.below(standing.share))
    if share >= standing.share or here.waited(standing) < here.thresholds.escalation.escalate_s:
        return standing
    reason = f"no provider keeps up with what comes back ({here.situation.words()}); {share:.0%} of it"
    return replace(_fallen(standing, here, standing.state, share, reason), stopped=True)


def _below(share: float, here: _Here) -> float:
    ramp = here.thresholds.ramp
    return 0.0 if share <= ramp.lowest else ramp.below(share)


def _rest(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    lost = standing.carrying - here.situation.carrying_share
    escalation = here.thresholds.escalation
    if here.situation.carrying_share < escalation.surge_below and lost >= _SURGE_AT_LEAST:
        takes_over = f"{here.situation.carrying_share:.0%} of the weights take over the rest at once"
        reason = f"{takes_over} ({here.situation.words()}); bulk waits a moment"
        held = replace(standing, hold_s=escalation.surge_hold_s, rising=False, pace=here.pace(standing))
        return _changed(held, here, ChannelState.SHEDDING, 0.0, reason)
    rested_s = (here.now - standing.since).total_seconds()
    if standing.tripped_at is not None and rested_s >= here.thresholds.flap.forget_s:
        return replace(standing, tripped_at=None, relapses=0)
    return standing


def _return(standing: ChannelStanding, here: _Here) -> ChannelStanding:
    """Somebody is well again: a step up each ``hold_s``; from the end of one state's ramp to the next better state."""
    # Relapses make the return slower, but not for what waits and has nowhere else to go.
    hold_s = here.thresholds.escalation.stopped_hold_s if standing.stopped else standing.hold_s
    if here.waited(standing) < hold_s:
        return standing
    ramp, words, rising = here.thresholds.ramp, here.situation.words, replace(standing, rising=True)
    share, well = ramp.above(standing.share), f"a provider is well ({words()})"
    sheds = standing.state is ChannelState.SHEDDING
    if share < 1.0:
        by_pace = _by_pace(standing, share) if sheds else ""
        return _changed(rising, here, standing.state, share, f"{well}; {share:.0%} of it is back{by_pace}")
    if sheds:
        doubles_s = _pace_doubles_s(standing, here)
        by_pace = f"{_by_pace(standing, 1.0)}, twice that each {doubles_s:.0f} s" if standing.pace else ""
        paced = replace(rising, pace_doubles_s=doubles_s)
        return _changed(paced, here, ChannelState.NORMAL, 1.0, f"{well}; all is back{by_pace}")
    reason = f"{well}; only bulk is held back{_by_pace(standing, ramp.lowest)}"
    return _changed(replace(rising, stopped=False), here, ChannelState.SHEDDING, ramp.lowest, reason)


def _by_pace(standing: ChannelStanding, share: float) -> str:
    return f"; bulk at up to {ceil(share * standing.pace)}/s" if standing.pace else ""


def _pace_doubles_s(standing: ChannelStanding, here: _Here) -> float:
    """In how many seconds the pace doubles at which comes back what was held: in as many as it was held for, within
    reason. What fell in a quiet night would else come back by the night's pace for most of a day."""
    held_s = 0.0 if standing.tripped_at is None else (here.now - standing.tripped_at).total_seconds()
    return min(max(here.thresholds.window_s, held_s), here.thresholds.flap.forget_s)
