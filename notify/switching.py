"""From a degraded channel to another one: which, and what to write. Pure, but for the template that is read once."""

from __future__ import annotations

from datetime import datetime

from channels.names import ADDRESS_FIELDS
from notify import content, outcomes, steps
from notify.facts import Facts
from notify.models.delivery import DeliveryStatus
from notify.models.event import EventType
from notify.outcomes import Rules
from notify.rows import Claimed, Outcome


def find_target(*, claimed: Claimed, facts: Facts, rules: Rules) -> tuple[int, str] | None:
    """Where a message goes when its channel sends it elsewhere, as step and channel: the next usable channel of its
    route, else a usable one that stands in for its channel, to which it does not go anyway, and on which there is
    something to say. None: nowhere. Not for callbacks, nor for what a test key sent."""
    for step, channel in steps.later_channels(claimed, facts):
        if rules.is_usable(channel):
            return step, channel
    if claimed.channel not in facts.channels:
        return None  # it stands in already: from here on there would be no end
    for channel in rules.fallback:
        is_other = channel not in facts.channels and bool(facts.to.get(ADDRESS_FIELDS[channel]))
        if is_other and rules.is_usable(channel) and content.can_be_said(facts, channel=channel):
            return claimed.step, channel
    return None


def switch(
    *, claimed: Claimed, facts: Facts, target: tuple[int, str], reason: str, now: datetime, rules: Rules
) -> Outcome:
    """What to write of a message that leaves a degraded channel before it was handed over there: it is over here, and
    begins on the other channel. No attempt is used up, and it does not come back: nobody is told twice, unless nobody
    knows what became of its last try, and then it says so."""
    words = f"{outcomes.clean(outcomes.doubt(claimed) + reason, outcomes.REASON_LIMIT)}; on to {target[1]}"
    switched = Outcome(
        id=claimed.id,
        status=DeliveryStatus.FAILED,
        error_code="switched",
        error_detail=words,
        finished_at=now,
        next_step=steps.row(claimed, facts, target, step_deadline_s=rules.step_deadline_s, now=now),
        events=(outcomes.event_row(claimed, EventType.SWITCHED, words),),
    )
    return outcomes.tell(claimed, facts, switched, now)
