"""Half-open probes: how many ordinary messages may go to an open provider now, which, and what their outcome means."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from channels.degradation.provider_rules import probe_wait_s, probes_needed, recovering
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.degradation.thresholds import Thresholds

#: Messages that are never risked to learn something.
_PRECIOUS_PRIORITIES: Final = frozenset({"critical"})
_PRECIOUS_CATEGORIES: Final = frozenset({"security", "otp"})


def may_be_probe(*, priority: str, category: str) -> bool:
    """Whether a message may be the one that tries an open provider."""
    return priority not in _PRECIOUS_PRIORITIES and category.lower() not in _PRECIOUS_CATEGORIES


def probes_allowed(*, standing: ProviderStanding, now: datetime) -> int:
    """How many messages may go to this provider as probes now: one when its time has come (``begin`` sets the next)."""
    if standing.state is not ProviderState.OPEN or standing.pinned_by:
        return 0
    return int(standing.next_probe_at is None or now >= standing.next_probe_at)


def begin(*, standing: ProviderStanding, thresholds: Thresholds, alone: bool, now: datetime) -> ProviderStanding:
    """A probe goes now. The next one may go when an interval has passed, whether or not this one is heard of again."""
    wait_s = probe_wait_s(thresholds=thresholds, relapses=standing.relapses, alone=alone)
    return replace(standing, probed_at=now, next_probe_at=now + timedelta(seconds=wait_s))


def note(
    *, standing: ProviderStanding, succeeded: bool, thresholds: Thresholds, alone: bool, now: datetime
) -> ProviderStanding:
    """What a probe's outcome means. A failed one sets the count to zero; with enough in a row the ramp begins. A
    recipient's fault or throttling is no outcome: do not note it. ``alone`` as ``policy.is_alone``
    says."""
    if standing.state is not ProviderState.OPEN or standing.pinned_by:
        return standing
    if not succeeded:
        failures = standing.probe_failures + 1
        wait_s = probe_wait_s(thresholds=thresholds, relapses=standing.relapses, alone=alone)
        if not alone:
            wait_s *= thresholds.probe.back_off(failures)
        next_at = now + timedelta(seconds=wait_s)
        return replace(standing, probe_successes=0, probe_failures=failures, next_probe_at=next_at)
    successes = standing.probe_successes + 1
    counted = replace(standing, probe_successes=successes, probe_failures=0)
    if successes >= probes_needed(thresholds=thresholds, alone=alone):
        reason = f"{successes} probes in a row succeeded"
        return recovering(counted, reason=reason, thresholds=thresholds, now=now)
    # After a success the next one follows at the plain interval: only the first waits for as long as relapses ask.
    wait_s = probe_wait_s(thresholds=thresholds, relapses=standing.relapses if alone else 0, alone=alone)
    return replace(counted, next_probe_at=now + timedelta(seconds=wait_s))
