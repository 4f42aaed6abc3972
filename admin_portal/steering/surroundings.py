"""What actions are checked against, read from the database: who carries what, and what is degraded already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from admin_portal.engine_words import CHANNEL_STATES, ORDERS
from admin_portal.kept_words import Sayable
from admin_portal.kept_words import Words as _
from admin_portal.steering.actions import Carrier, Setup
from channels.degradation import pins, standings
from channels.degradation.pin import PinSpec
from channels.degradation.standing import ChannelState
from channels.degradation.standings import Standings
from channels.models import Channel, Provider
from channels.names import PinAction
from notify.models import Application

#: The application that the platform itself sends as.
SYSTEM: Final = "goutong-pager"
_TAKES_AWAY: Final = frozenset({PinAction.SWITCH, PinAction.HOLD, PinAction.SHED_BULK})


def names() -> Setup:
    """Only who there is, without how they are."""
    rows = Provider.objects.values_list("name", "channel", "enabled", "weight")
    return Setup(
        providers={
            name: Carrier(channel=channel, enabled=enabled, weight=weight) for name, channel, enabled, weight in rows
        },
        # The platform's own application calls the approvers: it can't be steered.
        applications=frozenset(Application.objects.exclude(name=SYSTEM).values_list("name", flat=True)),
    )


def read(*, now: datetime) -> Setup:
    """The surroundings as they are: a handful of queries, however much traffic there is."""
    known = names()
    stored, pinned = standings.read(), pins.active(now=now)
    fallback = {name: tuple(names) for name, names in Channel.objects.values_list("name", "fallback")}
    switched = {
        name: fallback.get(name, ()) for name, one in stored.channels.items() if one.state is ChannelState.SWITCHED
    }
    switched |= {
        one.channel: one.fallback or fallback.get(one.channel, ()) for one in pinned if one.action is PinAction.SWITCH
    }
    out = {one.provider for one in pinned if one.provider and one.action in {PinAction.DISABLE, PinAction.HOLD}}
    out |= {name for name, one in stored.providers.items() if not one.carries}
    setup = replace(known, switched=switched, fallback=fallback, out=frozenset(out))
    return replace(setup, impaired=_impaired(setup, stored, pinned))


def _impaired(setup: Setup, stored: Standings, pinned: Sequence[PinSpec]) -> dict[str, Sayable]:
    """The channels that are not well, each with how."""
    found: dict[str, Sayable] = {
        name: CHANNEL_STATES[one.state] for name, one in stored.channels.items() if not one.at_rest
    }
    found |= {
        one.channel: _("%(order)s by %(author)s") % {"order": ORDERS[one.action], "author": one.author}
        for one in pinned
        if one.channel and one.is_of_lanes and not one.priority and one.action in _TAKES_AWAY
    }
    for channel in {one.channel for one in setup.providers.values() if one.enabled} - set(found):
        if not setup.carrying(channel):
            found[channel] = _("no provider carries it")
    return found
