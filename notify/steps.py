"""The steps of a route *first*: which channel comes next, until when each may try, and the delivery that takes over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from channels.names import ADDRESS_FIELDS, lane_name
from notify import address_hash
from notify.facts import Facts
from notify.ids import new_id
from notify.models.delivery import DeliveryKind, DeliveryStatus
from notify.models.event import EventType
from notify.models.notification import Route
from notify.rows import Claimed, DeliveryRow, Outcome


def first_deadline(*, starts_at: datetime, step_deadline_s: int, more_steps: bool) -> datetime | None:
    """Until when the first step of a route *first* may try; None when there is no other step."""
    return starts_at + timedelta(seconds=step_deadline_s) if more_steps else None


def gives_up_at(claimed: Claimed, facts: Facts) -> datetime:
    """Until when this channel may try: until the end of its step, where there is another one, or of all."""
    if next_channel(claimed, facts) is None or claimed.step_deadline is None:
        return claimed.deadline
    return min(claimed.deadline, claimed.step_deadline)


def next_channel(claimed: Claimed, facts: Facts) -> tuple[int, str] | None:
    """Step and name of the channel that comes after this one; None when it is the last."""
    if claimed.kind != DeliveryKind.MESSAGE:
        return None
    return next(later_channels(claimed, facts), None)


def later_channels(claimed: Claimed, facts: Facts) -> Iterator[tuple[int, str]]:
    """Step and name of the channels of a route *first* that come after this one, and for which there is an address."""
    if facts.route == Route.FIRST:
        for step, channel in enumerate(facts.channels[claimed.step + 1 :], start=claimed.step + 1):
            if facts.to.get(ADDRESS_FIELDS[channel]):
                yield step, channel


def row(
    claimed: Claimed,
    facts: Facts,
    following: tuple[int, str],
    *,
    step_deadline_s: Callable[[str], int],
    now: datetime,
) -> DeliveryRow:
    """The delivery on the channel that takes over."""
    step, channel = following
    address = facts.to[ADDRESS_FIELDS[channel]]
    after = replace(claimed, step=step, channel=channel)
    return DeliveryRow(
        id=new_id(),
        notification_id=facts.id,
        application_id=facts.application_id,
        batch_id=facts.batch_id,
        kind=DeliveryKind.MESSAGE,
        channel=channel,
        lane=lane_name(channel, facts.priority),
        step=step,
        address=address,
        payload=None,
        is_test=claimed.is_test,
        status=DeliveryStatus.QUEUED,
        due_at=now,
        deadline=claimed.deadline,  # later than the notification's where a person had it sent again
        step_deadline=first_deadline(
            starts_at=now,
            step_deadline_s=step_deadline_s(channel),
            more_steps=next_channel(after, facts) is not None,
        ),
        created_at=now,
        address_hash=address_hash.of(address),
    )


def heeding(outcome: Outcome, *, cancelled: bool) -> Outcome:
    """``outcome``; where it was cancelled meanwhile, without another channel that takes over, nor word of one."""
    if not cancelled or outcome.next_step is None:
        return outcome
    events = tuple(event for event in outcome.events if event.type != EventType.SWITCHED)
    return replace(outcome, next_step=None, events=events)
