"""From a degraded channel to another one: which, and what to write. Pure."""

from __future__ import annotations

from datetime import datetime

from channels.names import ADDRESS_FIELDS
from notify import outcomes
from notify.facts import Facts
from notify.models.delivery import DeliveryKind, DeliveryStatus
from notify.models.event import EventType
from notify.outcomes import Rules
from notify.rows import Claimed, Outcome


def find_target(*, claimed: Claimed, facts: Facts, rules: Rules) -> tuple[int, str] | None:
    """Where a message goes when its channel sends it elsewhere, as step and channel: the next usable channel of its
    route, else a usable one that stands in for its channel and to which it does not go anyway. None: nowhere."""
    if claimed.kind != DeliveryKind.MESSAGE or claimed.is_test:
        return None
    for step, channel in outcomes.later_channels(claimed, facts):
        if rules.is_usable(channel):
            return step, channel
    if claimed.channel not in facts.channels:
        return None  # it stands in already: from here on there would be no end
    for channel in rules.fallback:
        if channel not in facts.channels and facts.to.get(ADDRESS_FIELDS[channel]) and rules.is_usable(channel):
            return claimed.step, channel
    return None


def switch(
    *, claimed: Claimed, facts: Facts, target: tuple[int, str], reason: str, now: datetime, rules: Rules
) -> Outcome:
    """What to write of a message that leaves a degraded channel before it was handed over there: it is over here, and
    begins on the other channel. No attempt is used up, and it does not come back: nobody is told twice."""
    words = outcomes.clean(f"{reason}; on to {target[1]}")
    switched = Outcome(
        id=claimed.id,
        status=DeliveryStatus.FAILED,
        error_code="switched",
        error_detail=words,
        finished_at=now,
        next_step=outcomes.step_row(claimed, facts, target, now, rules),
        events=(outcomes.event_row(claimed, EventType.SWITCHED, words),),
    )
    return outcomes.tell(claimed, facts, switched, now)
