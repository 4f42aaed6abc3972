"""The front door: hand messages in, get results out as they come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from channels import directory, limiter, probes, routing
from channels.degradation import admission, probing
from channels.degradation.admission import Admission
from channels.degradation.standing import ChannelStanding, ChannelState
from channels.session import Session
from channels.types import OutboundMessage, SendResult


def open_session(*, channel: str, priority: str, rng: random.Random | None = None) -> Session:
    """A session for a lane's messages."""
    return Session(channel=channel, priority=priority, limiter=limiter.shared(), rng=rng or random.Random())


def send_batch(messages: Sequence[OutboundMessage], *, channel: str, priority: str) -> Iterator[SendResult]:
    """Hands ``messages`` over and yields a result for each as it comes."""
    session = open_session(channel=channel, priority=priority)
    session.submit(messages)
    while session.pending:
        yield from session.collect(timeout=1.0, at_most=len(messages))


def channel_orders(name: str) -> directory.ChannelSpec:
    """What the dispatcher has to know of a channel: the time a step has, and what to do when an outcome is unknown."""
    return directory.channel(name)


def is_at_rest(channel: str) -> bool:
    """Whether nothing is known against the channel or any of its providers."""
    return directory.channel(channel).at_rest


def admit(*, message_id: UUID, channel: str, priority: str, category: str, may_switch: bool) -> Admission:
    """Where a message goes now, as its channel stands: over it, to another one, or nowhere for the time being."""
    spec = directory.channel(channel)
    plan = routing.plan(spec.providers, standings=spec.standings)
    if plan.open and probing.may_be_probe(priority=priority, category=category) and probes.are_due(spec, plan):
        return Admission.SEND  # it may be the one that finds out
    standing = spec.standing or ChannelStanding.normal(now=datetime.now(UTC))
    return admission.admit(
        standing=standing,
        priority=priority,
        may_switch=may_switch,
        carried=plan.carried,
        # Bulk is let in by how much of its lane is fetched: what is fetched goes.
        ticket=0.0 if priority == "bulk" else admission.ticket(message_id),
    )


def is_usable(channel: str) -> bool:
    """Whether messages of another channel may go over this one: somebody carries it, and it sends none elsewhere."""
    spec = directory.channel(channel)
    in_use = spec.standing is None or spec.standing.in_use
    return in_use and routing.plan(spec.providers, standings=spec.standings).carried


def reason_of(channel: str) -> str:
    """Why the channel stands as it does, in words; empty when it is well."""
    spec = directory.channel(channel)
    if spec.standing is not None and spec.standing.state is not ChannelState.NORMAL:
        return f"{channel} {spec.standing.state} since {spec.standing.since:%H:%M:%S}: {spec.standing.reason}"
    return routing.plan(spec.providers, standings=spec.standings).words
