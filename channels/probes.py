"""Half-open probes: ordinary messages that find out whether an open provider is well again."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from channels import breaker
from channels.degradation import probing
from channels.errors import ProviderError
from channels.routing import Candidate, Plan
from channels.specs import ChannelSpec
from channels.types import OutboundMessage


def are_due(channel: ChannelSpec, plan: Plan) -> bool:
    """Whether an open provider waits for somebody to try it, by what this process knows."""
    now = datetime.now(UTC)
    standings = [channel.standings.get(one.name) for one in plan.open]
    return any(one is not None and probing.probes_allowed(standing=one, now=now) for one in standings)


def take(*, channel: str, plan: Plan, message: OutboundMessage) -> Candidate | None:
    """The open provider that ``message`` is to try, if it may and it is time to."""
    if not probing.may_be_probe(priority=message.priority, category=message.category):
        return None
    for spec in plan.open:
        begin = partial(breaker.begin_probe, channel=channel, provider=spec.name, now=datetime.now(UTC))
        if breaker.leniently(begin, spec.name):
            return Candidate(spec, f"probe: {plan.words}", probe=True)
    return None


def note(*, candidate: Candidate, error: ProviderError | None) -> None:
    """Says how a probe went. A recipient's fault, or being asked for patience, says nothing of the provider."""
    if error is None or error.provider_fault:
        channel, name, now = candidate.provider.channel, candidate.provider.name, datetime.now(UTC)
        breaker.leniently(
            partial(breaker.note_probe, channel=channel, provider=name, succeeded=error is None, now=now), name
        )
