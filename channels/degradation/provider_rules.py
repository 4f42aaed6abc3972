"""What becomes of one provider: pure, from its standing, a judgement, and whether another one is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from channels.degradation.judgement import Finding, Severity
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.degradation.thresholds import Thresholds

#: Where there is little traffic to judge by, each wait takes so many times as long.
_QUIET_FACTOR: Final = 2.0
#: The longest wait for a message that may be a probe while nobody else carries the channel, in probe intervals.
_PATIENCE_ALONE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a provider is looked at with. ``others_well``: another one can take what this one loses; where none can,
    shares are not moved about among the bad."""

    finding: Finding
    thresholds: Thresholds
    others_well: bool
    now: datetime

    def waited(self, standing: ProviderStanding) -> float:
        """Seconds since the last change."""
        return (self.now - standing.changed_at).total_seconds()


def next_standing(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    """The standing from now on: the same one when there is nothing to change."""
    if standing.state is ProviderState.DISABLED:
        return ProviderStanding.healthy(now=here.now, reason="enabled")
    return _MOVES[standing.state](standing, here)


def disabled(*, now: datetime) -> ProviderStanding:
    """A provider that a person has switched off."""
    return replace(ProviderStanding.healthy(now=now, reason="disabled"), state=ProviderState.DISABLED, share=0.0)


def opened(
    standing: ProviderStanding, *, reason: str, thresholds: Thresholds, alone: bool, now: datetime
) -> ProviderStanding:
    """``standing`` with nothing but probes from now on."""
    tripped = _tripped(standing, thresholds, now)
    wait_s = probe_wait_s(thresholds=thresholds, relapses=tripped.relapses, alone=alone)
    return replace(
        tripped,
        state=ProviderState.OPEN,
        share=0.0,
        since=now,
        changed_at=now,
        reason=reason,
        next_probe_at=now + timedelta(seconds=wait_s),
        probed_at=None,
        probe_successes=0,
        probe_failures=0,
        probes_needed=probes_needed(thresholds=thresholds, alone=alone),
    )


def recovering(standing: ProviderStanding, *, reason: str, thresholds: Thresholds, now: datetime) -> ProviderStanding:
    """An open provider at the first step of its ramp."""
    share = thresholds.ramp.lowest
    return replace(_moved(standing, ProviderState.RECOVERING, share, reason, now), next_probe_at=None, probes_needed=0)


def probe_wait_s(*, thresholds: Thresholds, relapses: int, alone: bool) -> float:
    """Seconds until an open provider's first probe, and after one that failed."""
    interval_s = thresholds.probe.interval_s
    if alone:
        quick_s = min(thresholds.probe.alone_interval_s, interval_s)
        return min(thresholds.flap.lengthen(quick_s, relapses), interval_s)
    return thresholds.flap.lengthen(interval_s, relapses)


def probes_needed(*, thresholds: Thresholds, alone: bool) -> int:
    """How many probes in a row have to succeed."""
    wanted = thresholds.probe.successes
    return min(wanted, thresholds.probe.alone_successes) if alone else wanted


def _moved(
    standing: ProviderStanding, state: ProviderState, share: float, reason: str, now: datetime
) -> ProviderStanding:
    since = standing.since if state is standing.state else now
    return replace(standing, state=state, share=share, since=since, changed_at=now, reason=reason)


def _tripped(standing: ProviderStanding, thresholds: Thresholds, now: datetime) -> ProviderStanding:
    """``standing`` with its fault counted: a relapse when it comes soon after the last one, and the same fault while it
    only gets worse."""
    if standing.state in {ProviderState.DEGRADED, ProviderState.OPEN}:
        return replace(standing, tripped_at=standing.tripped_at or now)
    relapses = standing.relapses + 1 if standing.tripped_at is not None else 0
    return replace(standing, tripped_at=now, relapses=relapses)


def _open_or_cut(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    finding = here.finding
    if finding.severity is Severity.DEAD or (finding.severity is Severity.OPEN and here.others_well):
        alone = not here.others_well
        return opened(standing, reason=finding.words, thresholds=here.thresholds, alone=alone, now=here.now)
    tripped = _tripped(standing, here.thresholds, here.now)
    if not here.others_well:
        reason = f"{finding.words}; its share stays, as no other provider is well"
        return _moved(tripped, ProviderState.DEGRADED, standing.share, reason, here.now)
    share = here.thresholds.ramp.below(standing.share)
    return _moved(tripped, ProviderState.DEGRADED, share, f"{finding.words}; share cut to {share:.0%}", here.now)


def _from_healthy(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    if here.finding.bad:
        return _open_or_cut(standing, here)
    healthy_for = (here.now - standing.since).total_seconds()
    if standing.tripped_at is not None and healthy_for >= here.thresholds.flap.forget_s:
        return replace(standing, tripped_at=None, relapses=0)
    return standing


def _from_degraded(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    severity = here.finding.severity
    if severity is Severity.DEAD or (severity is Severity.OPEN and here.others_well):
        return _open_or_cut(standing, here)
    if here.finding.bad:
        may_cut = here.others_well and here.waited(standing) >= here.thresholds.cut_hold_s
        return _open_or_cut(standing, here) if may_cut and _can_fall(standing, here) else standing
    wait_s = here.thresholds.flap.lengthen(here.thresholds.cooldown_s, standing.relapses)
    return _step_up(standing, here) if _has_been_well(standing, here, wait_s) else standing


def _from_recovering(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    if here.finding.bad:
        return _open_or_cut(standing, here)
    return _step_up(standing, here) if _has_been_well(standing, here, here.thresholds.ramp.hold_s) else standing


def _from_open(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    alone = not here.others_well
    adjusted = _with_urgency(standing, here, alone=alone)
    if adjusted.probe_successes >= adjusted.probes_needed:
        reason = f"{adjusted.probe_successes} probes in a row succeeded"
        return recovering(adjusted, reason=reason, thresholds=here.thresholds, now=here.now)
    patience_s = _patience_s(here.thresholds, standing.relapses, alone=alone)
    starved_s = (here.now - (adjusted.next_probe_at or here.now)).total_seconds()
    if starved_s >= patience_s:
        reason = f"no message that may be a probe came for {patience_s:.0f} s: its share is tried"
        return recovering(adjusted, reason=reason, thresholds=here.thresholds, now=here.now)
    return adjusted


def _patience_s(thresholds: Thresholds, relapses: int, *, alone: bool) -> float:
    probe = thresholds.probe
    if alone:  # what would not be tried here would be lost elsewhere
        return min(thresholds.flap.lengthen(probe.interval_s, relapses), _PATIENCE_ALONE * probe.interval_s)
    return thresholds.flap.lengthen(probe.patience_s, relapses)


def _with_urgency(standing: ProviderStanding, here: Circumstances, *, alone: bool) -> ProviderStanding:
    """Probes are quicker and fewer as soon as, and only while, nobody else can carry the channel."""
    needed = probes_needed(thresholds=here.thresholds, alone=alone)
    next_at = standing.next_probe_at or here.now
    if alone:
        wait_s = probe_wait_s(thresholds=here.thresholds, relapses=standing.relapses, alone=True)
        # Not before now: a probe that was not due before has not been waited for either.
        next_at = min(next_at, max(here.now, (standing.probed_at or standing.since) + timedelta(seconds=wait_s)))
    if needed == standing.probes_needed and next_at == standing.next_probe_at:
        return standing
    return replace(standing, probes_needed=needed, next_probe_at=next_at)


def _can_fall(standing: ProviderStanding, here: Circumstances) -> bool:
    return here.thresholds.ramp.below(standing.share) < standing.share


def _has_been_well(standing: ProviderStanding, here: Circumstances, wait_s: float) -> bool:
    factor = _QUIET_FACTOR if here.finding.severity is Severity.QUIET else 1.0
    return here.finding.well and here.waited(standing) >= wait_s * factor


def _step_up(standing: ProviderStanding, here: Circumstances) -> ProviderStanding:
    share = here.thresholds.ramp.above(standing.share)
    state = ProviderState.HEALTHY if share >= 1.0 else ProviderState.RECOVERING
    return _moved(standing, state, share, f"{here.finding.words}; share back to {share:.0%}", here.now)


_MOVES: Final[dict[ProviderState, Callable[[ProviderStanding, Circumstances], ProviderStanding]]] = {
    ProviderState.HEALTHY: _from_healthy,
    ProviderState.DEGRADED: _from_degraded,
    ProviderState.RECOVERING: _from_recovering,
    ProviderState.OPEN: _from_open,
}
