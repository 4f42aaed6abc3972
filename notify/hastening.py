"""What waits for its next look looks now, when there is something new to see: a provider is out of the way or well
again, a channel goes elsewhere or comes back, a person's order is over.

Nothing depends on it: whatever waits has its own time. It is found in what is stored (events, pins), so it does not
matter which process has decided.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from channels import gateway
from channels.degradation.pin import PinSpec
from channels.degradation.pins import ended_between
from channels.degradation.standing import ChannelState, ProviderState
from channels.errors import EndpointUnavailable, ReportAwaited, Throttled
from channels.models import DegradationEvent, Provider
from channels.names import CHANNELS, PRIORITIES, PinSource, is_staged, lane_name, off_stage, staged
from notify import lanes, partitions
from notify.lanes import Place
from notify.sql import statement

logger = logging.getLogger(__name__)

#: A lane is gone through in portions of so many rows, one each time somebody judges.
_READ: Final = 5_000
#: What is due within this time is not worth a write; what is hastened is spread over as much.
_SOON: Final = timedelta(seconds=1)
#: How far back the first look of a process goes, and how much two looks overlap: an event is seen some time after it
#: was decided.
_BEFORE: Final = timedelta(seconds=30)
#: For so long something is new: other processes see it up to a second later, and put messages off meanwhile.
_NEW_FOR: Final = timedelta(seconds=3)
#: These waits are what somebody else has asked for, or have nothing to do with how the provider is.
_PATIENT: Final = (Throttled.code, EndpointUnavailable.code, ReportAwaited.code)
_FROM_BEST: Final = [*ChannelState]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a provider's or a channel's standing, as an event has it."""

    target: str
    before: str
    after: str


def is_news(change: Change, *, others_well: bool) -> bool:
    """Whether those who wait have something new to see after ``change``. ``others_well``: another provider of the same
    channel is well, and takes what this one failed at. Pure."""
    kind, _, _name = change.target.partition(":")
    if kind == "provider":
        out = change.after == ProviderState.OPEN
        back = change.before in {ProviderState.OPEN, ProviderState.DISABLED} and not out
        return back or (out and others_well)
    if change.after == ChannelState.SWITCHED and change.before != ChannelState.SWITCHED:
        return True
    return change.before in _FROM_BEST and _FROM_BEST.index(ChannelState(change.after)) < _FROM_BEST.index(
        ChannelState(change.before)
    )


def lanes_of(pin: PinSpec) -> list[str]:
    """The lanes in which somebody may wait for the end of ``pin``; those of the stage, for a drill's. Pure."""
    channels = [pin.channel] if pin.channel else CHANNELS
    if pin.source is PinSource.DRILL:
        channels = [staged(channel) for channel in channels]
    priorities = [pin.priority] if pin.priority else PRIORITIES
    return [lane_name(channel, priority) for channel in channels for priority in priorities]


def concerned(changes: Iterable[Change], *, carriers: Mapping[str, str]) -> set[str]:
    """The channels in which there is something new to see, by the names of the stage where a drill plays them.
    ``carriers``: the channel of each provider."""
    found = set()
    for change in changes:
        kind, _, name = change.target.partition(":")
        channel = _carried_by(name, carriers) if kind == "provider" else name
        if channel and is_news(change, others_well=gateway.is_well_without(channel, provider=name)):
            found.add(channel)
    return found


def _carried_by(provider: str, carriers: Mapping[str, str]) -> str | None:
    channel = carriers.get(off_stage(provider))
    return staged(channel) if channel is not None and is_staged(provider) else channel


def hasten(*, lane: str, until: datetime, place: Place, now: datetime) -> tuple[int, Place | None]:
    """Lets what waits in a portion of ``lane``, from ``place`` on and due not later than ``until``, look now. Returns
    how many deliveries, and where to go on, or None at the end of the lane. What is cut off between two portions at one
    and the same due time keeps its own. A lane of the stage is the part of the real one that test keys' messages are.
    """
    view = partitions.live_window(now=now)
    parameters: dict[str, Any] = {
        **place._asdict(),
        "lane": off_stage(lane),
        "tests": is_staged(lane),
        "now": now,
        "soon": now + _SOON,
        "until": until,
        "patient": list(_PATIENT),
        "read": _READ,
        "spread_s": _SOON.total_seconds(),
        "floor": view.floor,
        "ceiling": view.ceiling,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("hasten"), parameters)
        hastened, read, *last = cursor.fetchone()
    if hastened:
        logger.info("waiting deliveries look again now", extra={"lane": lane, "count": hastened})
        lanes.ring([off_stage(lane)])
    return hastened, Place(*last) if read >= _READ else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far one has come in a lane, and up to which due time those are who may be hastened."""

    place: Place
    until: datetime


class Hastener:
    """Looks for news, and goes through the lanes that they concern, bit by bit. Used by one thread."""

    def __init__(self) -> None:
        self._looked_at: datetime | None = None
        #: When this process saw each event, and each order that is over, for the first time.
        self._seen: dict[int | UUID, datetime] = {}
        self._walks: dict[str, _Walk] = {}

    def look(self, *, now: datetime) -> int:
        """One look and one portion of each lane; returns how many deliveries may look sooner."""
        for lane, until in self._concerned(now).items():
            self._walks.setdefault(lane, _Walk(Place(), until))
        self._looked_at = now
        return sum(self._step(lane, walk, now) for lane, walk in list(self._walks.items()))

    def _concerned(self, now: datetime) -> dict[str, datetime]:
        since = min(self._looked_at or now, now) - _BEFORE
        retries_until = now + timedelta(seconds=settings.LANES["RETRY_CAP_S"])
        rows = DegradationEvent.objects.filter(at__gt=since).values_list("id", "target", "before", "after")
        changes = {identifier: Change(*change) for identifier, *change in rows}
        orders = {pin.id: pin for pin in ended_between(after=since, now=now)}
        known: list[int | UUID] = [*changes, *orders]
        self._seen = {identifier: self._seen.get(identifier, now) for identifier in known}
        new = {identifier for identifier, seen_at in self._seen.items() if now - seen_at < _NEW_FOR}
        found: dict[str, datetime] = {}
        news = [change for identifier, change in changes.items() if identifier in new]
        for channel in concerned(news, carriers=_carriers()) if news else ():
            found.update((lane_name(channel, priority), retries_until) for priority in PRIORITIES)
        for pin in (pin for identifier, pin in orders.items() if identifier in new):
            found.update((lane, max(retries_until, pin.ends_at + 2 * _SOON)) for lane in lanes_of(pin))
        return found

    def _step(self, lane: str, walk: _Walk, now: datetime) -> int:
        hastened, following = hasten(lane=lane, until=walk.until, place=walk.place, now=now)
        if following is None:
            del self._walks[lane]
        else:
            self._walks[lane] = _Walk(following, walk.until)
        return hastened


def _carriers() -> dict[str, str]:
    return dict(Provider.objects.values_list("name", "channel"))
