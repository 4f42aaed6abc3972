"""Half-open probes: ordinary messages that find out whether an open provider is well again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, InterfaceError

from channels import engine
from channels.degradation import probing
from channels.directory import ChannelSpec
from channels.errors import ProviderError
from channels.routing import Candidate, Plan
from channels.types import OutboundMessage

logger = logging.getLogger(__name__)

Told = TypeVar("Told")


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
        begin = partial(engine.begin_probe, channel=channel, provider=spec.name, now=datetime.now(UTC))
        if leniently(begin, spec.name):
            return Candidate(spec, f"probe: {plan.words}", probe=True)
    return None


def note(*, channel: str, candidate: Candidate, error: ProviderError | None) -> None:
    """Says how a probe went. A recipient's fault, or being asked for patience, says nothing of the provider."""
    if error is None or error.provider_fault:
        name, succeeded, now = candidate.provider.name, error is None, datetime.now(UTC)
        leniently(lambda: engine.note_probe(channel=channel, provider=name, succeeded=succeeded, now=now), name)


def leniently(tell: Callable[[], Told], provider: str) -> Told | None:
    """What ``tell`` returns; None while the database is away: the engine is told the next time, and no message depends
    on it."""
    try:
        return tell()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("provider %s can't be judged now: %s", provider, type(error).__name__)
        return None
