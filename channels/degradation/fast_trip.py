"""The fast trip: inside a drain, from this process's own last results, so that a dead provider costs one batch."""

from __future__ import annotations

from datetime import datetime

from channels.degradation.provider_rules import opened
from channels.degradation.standing import ProviderStanding
from channels.degradation.thresholds import Thresholds


def trip(
    *,
    standing: ProviderStanding,
    consecutive_faults: int,
    batch: int,
    batch_faults: int,
    alone: bool,
    thresholds: Thresholds,
    now: datetime,
    rate_before: float | None = None,
    good_before: int = 0,
    others_get_through: bool = False,
) -> ProviderStanding | None:
    """Opens ``standing`` when this process has had ``consecutive_faults`` provider faults in a row and nothing else
    in its last ``batch``, and that is no chance: ``rate_before`` is the share of faults in this process just before
    the run (None: too few to say), ``good_before`` the successes in a row that it had then. ``others_get_through``:
    other processes do, so that it is not the provider that is dead, but our way to it. ``alone``: no other provider is
    well. Returns how it stands from then on; the caller makes the transition (``policy.transition``)."""
    if standing.pinned_by or not standing.carries:
        return None
    run = thresholds.trip.run(rate_before, alone=alone, good_before=good_before)
    if not batch or batch_faults < batch or consecutive_faults < run:
        return None
    if others_get_through:
        return None
    reason = f"{consecutive_faults} faults in a row, all {batch} of the last batch"
    return opened(standing, reason=reason, thresholds=thresholds, alone=alone, now=now)
