"""A channel as a drill plays it: nobody real is in it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from channels.degradation.standings import Standings
from channels.names import LONGEST_PROVIDER, staged
from channels.specs import ChannelSpec
from channels.stages import StageSpec


def play(real: ChannelSpec, *, stage: StageSpec, stored: Standings, now: datetime) -> ChannelSpec:
    """``real`` as it is on ``stage``: every provider is played by the sandbox, in this process, and stands as it is
    ``stored`` under its name there."""
    name, since = staged(real.name), stage.since(now)
    providers = [
        replace(
            one,
            name=staged(one.name),
            channel=name,
            adapter="sandbox",
            rate_limit="",
            config=stage.behaviour(one.name, channel=real.name, now=now),
            fingerprint=f"{stage.id}/{since.isoformat()}/{one.fingerprint}",
            version=since,
            ends_at=stage.closes_at,
        )
        for one in real.providers
        if len(staged(one.name)) <= LONGEST_PROVIDER
    ]
    return replace(
        real,
        name=name,
        providers=tuple(providers),
        standing=stored.channels.get(name),
        standings={one.name: stored.providers[one.name] for one in providers if one.name in stored.providers},
        rules={staged(provider): rules for provider, rules in real.rules.items()},
    )
