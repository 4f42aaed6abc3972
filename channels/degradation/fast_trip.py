"""The fast trip: inside a drain, from this process's own last results, so that a dead provider costs one batch."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from channels.degradation.provider_rules import opened
from channels.degradation.standing import ProviderStanding
from channels.degradation.thresholds import Thresholds
from channels.figures import Figures


class Tripped(NamedTuple):
    """What becomes of a provider that is opened at once; the caller makes the transition (``policy.transition``)."""

    standing: ProviderStanding
    reason: str


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
    elsewhere: Figures | None = None,
) -> Tripped | None:
    """Opens ``standing`` when this process has had ``consecutive_faults`` provider faults in a row and nothing else
    in its last ``batch``, and that is no chance: ``rate_before`` is the share of faults in this process just before
    the run (None: too few to say). ``elsewhere`` is what all processes saw in the last seconds: where others still
    get through, it is not the provider that is dead, but our way to it. ``alone``: no other provider is well."""
    if standing.pinned or not standing.carries:
        return None
    if not batch or batch_faults < batch or consecutive_faults < thresholds.trip.run(rate_before, alone=alone):
        return None
    if elsewhere is not None and elsewhere.successes > elsewhere.provider_faults:
        return None
    reason = f"{consecutive_faults} faults in a row, all {batch} of the last batch"
    return Tripped(opened(standing, reason=reason, thresholds=thresholds, alone=alone, now=now), reason)
