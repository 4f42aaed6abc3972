"""The front door: hand messages in, get results out as they come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from channels import directory, limiter, permits, probes, reception, rehearsal, routing
from channels.degradation import admission, pin, policy, probing
from channels.degradation.admission import Admission, Ruling
from channels.degradation.standing import ChannelStanding, ChannelState
from channels.session import Session
from channels.specs import ChannelSpec
from channels.types import OutboundMessage, SendResult

check_listens, parse_callback = reception.check_listens, reception.parse_callback
stage_of, stand_in = rehearsal.stage_of, rehearsal.stand_in


def open_session(*, channel: str, priority: str, rng: random.Random | None = None) -> Session:
    """A session for a lane's messages."""
    return Session(channel=channel, priority=priority, limiter=limiter.shared(), rng=rng or random.Random())


def send_batch(messages: Sequence[OutboundMessage], *, channel: str, priority: str) -> Iterator[SendResult]:
    """Hands ``messages`` over and yields a result for each as it comes."""
    session = open_session(channel=channel, priority=priority)
    session.submit(messages)
    while session.pending:
        yield from session.collect(timeout=1.0, at_most=len(messages))


def channel_orders(name: str) -> ChannelSpec:
    """What the dispatcher has to know of a channel: the time a step has, and what to do when an outcome is unknown."""
    return directory.channel(name)


def is_at_rest(channel: str) -> bool:
    """Whether nothing is known against the channel or any of its providers, and nothing ordered of it."""
    return directory.channel(channel).at_rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A message that is ruled on, by all that states and orders tell messages apart by."""

    message_id: UUID
    channel: str
    priority: str
    category: str
    application: str

    @property
    def ticket(self) -> float:
        """Its place in a ramp."""
        return admission.ticket(self.message_id)


def admit(subject: Subject, *, may_switch: bool) -> Ruling:
    """Where a message goes now, as its channel stands and as people have ordered: over it, to another one, or nowhere
    for the time being."""
    spec = directory.channel(subject.channel)
    plan = routing.plan(spec.providers, standings=spec.standings, pins=spec.pins)
    held = _hold(spec, subject)
    if held is not None:
        return held
    may_probe = probing.may_be_probe(priority=subject.priority, category=subject.category)
    if not (plan.open and may_probe and probes.are_due(spec, plan)):
        where = _direct(spec, subject, may_switch=may_switch, carried=plan.carried)
        if where is not Admission.SEND:
            return Ruling(admission=where, reason=reason_of(subject.channel))
    return _throttle(spec, subject)  # without any: it may be the one that finds out


def sends_elsewhere(subject: Subject) -> bool:
    """Whether the channel, as it stands, sends this message to another one. Takes no turn and no probe from others."""
    spec = directory.channel(subject.channel)
    if _hold(spec, subject) is not None:
        return False
    carried = routing.plan(spec.providers, standings=spec.standings, pins=spec.pins).carried
    return _direct(spec, subject, may_switch=True, carried=carried) is Admission.SWITCH


def _direct(spec: ChannelSpec, subject: Subject, *, may_switch: bool, carried: bool) -> Admission:
    return admission.admit(
        standing=spec.standing or ChannelStanding.normal(now=datetime.now(UTC)),
        priority=subject.priority,
        may_switch=may_switch,
        carried=carried,
        ticket=subject.ticket,
    )


def _hold(spec: ChannelSpec, subject: Subject) -> Ruling | None:
    """The order that holds a message; with a provider that is held waits what would have gone to it."""
    order = pin.holding(
        spec.pins,
        channel=spec.name,
        priority=subject.priority,
        category=subject.category,
        application=subject.application,
    )
    if order is None and subject.ticket >= 1 - spec.held_share:
        order = pin.holding_provider(spec.pins)
    if order is None:
        return None
    return Ruling(admission=Admission.HOLD, reason=f"{order.target} {order.words}", until=order.ends_at)


def _throttle(spec: ChannelSpec, subject: Subject) -> Ruling:
    orders = pin.throttling(
        spec.pins,
        channel=spec.name,
        priority=subject.priority,
        category=subject.category,
        application=subject.application,
    )
    for order in orders:
        if not order.is_of_lanes and not permits.allow(order, priority=subject.priority):
            reason = f"{order.target} at {order.rate}: {order.words}"
            return Ruling(admission=Admission.HOLD, reason=reason, crowded=True)
    return Ruling(admission=Admission.SEND)


def is_usable(channel: str) -> bool:
    """Whether messages of another channel may go over this one: somebody carries it, and it sends none elsewhere."""
    spec = directory.channel(channel)
    in_use = spec.standing is None or spec.standing.in_use
    return in_use and routing.plan(spec.providers, standings=spec.standings).carried


def is_well_without(channel: str, *, provider: str) -> bool:
    """Whether another provider of the channel than ``provider`` is well."""
    spec = directory.channel(channel)
    return not policy.is_alone(provider, {one.name: spec.standings.get(one.name) for one in spec.providers})


def reason_of(channel: str) -> str:
    """Why the channel stands as it does, in words; empty when it is well."""
    spec = directory.channel(channel)
    if spec.standing is not None and spec.standing.state is not ChannelState.NORMAL:
        return f"{channel} {spec.standing.state} since {spec.standing.since:%H:%M:%S}: {spec.standing.reason}"
    return routing.plan(spec.providers, standings=spec.standings, pins=spec.pins).words
