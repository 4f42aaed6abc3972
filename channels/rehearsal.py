"""Where messages of test keys go: to the stage of a drill, when one is open and they are of those that play on it, else
to the sandbox. Nobody real is among those they may be sent to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

from channels import directory, probes, routing
from channels.names import staged
from channels.routing import Candidate, Plan
from channels.specs import TEST_PROVIDER, built_in
from channels.types import OutboundMessage


def stage_of(*, message_id: UUID, channel: str, application: str) -> str:
    """The channel on the stage that a test key's message goes over instead of ``channel``; empty: it plays on none."""
    stage = directory.stage()
    plays = stage is not None and stage.takes(channel=channel, application=application, message_id=message_id)
    return staged(channel) if plays else ""


def stand_in(channel: str) -> str:
    """The channel that says, on the stage, whether ``channel`` takes messages of another one: itself as it is played,
    where it is."""
    stage = directory.stage()
    return staged(channel) if stage is not None and channel in stage.channels else channel


def candidates(message: OutboundMessage, *, rng: random.Random) -> Sequence[Candidate]:
    """Who may be asked for a test key's message."""
    channel, plan = plan_of(message)
    if not channel:
        return (Candidate(built_in(TEST_PROVIDER), "test key: the sandbox only"),)
    ranked = routing.rank(plan, rng=rng)
    probe = probes.take(channel=channel, plan=plan, message=message) if plan.open else None
    return ranked if probe is None else (probe, *ranked)


def plan_of(message: OutboundMessage) -> tuple[str, Plan]:
    """The channel on the stage that a test key's message goes over, and who carries there; an empty name: on none."""
    name = stage_of(message_id=message.id, channel=message.channel, application=message.application)
    if not name:
        return "", Plan()
    channel = directory.channel(name)
    return name, routing.plan(channel.providers, standings=channel.standings, pins=channel.pins)
