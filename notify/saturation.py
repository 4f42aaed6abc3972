"""How deep the lanes are against their limits, measured by whoever sweeps, and told to whoever accepts.

The measuring process counts and stores; web processes read what was stored, at most once a second, and never count.
Each adds what it has itself put into a lane since: a spike must not pass unseen until somebody measures. When nobody
has measured for a while, or the database does not answer, nothing is refused for what was measured before.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from threading import Lock
from types import MappingProxyType
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg2.errors import QueryCanceled

from channels.names import LANES, lane_name, split_lane
from notify import partitions, shaving, signals
from notify.errors import LaneSaturated
from notify.intake import Intake
from notify.models import LaneLoad, Route
from notify.orders import Order
from notify.shaving import Count, Limits, Load, Refusal, State
from notify.sql import statement

logger = logging.getLogger(__name__)

_LOCK: Final = 0x676F7573
#: Measuring may take this share of one connection's time.
_SHARE: Final = 0.05
_PAUSE_S: Final = (1.0, 60.0)
#: Counting is given up after this long; whoever sweeps has other things to do.
_COUNTING_S: Final = 5.0
#: What was measured is believed for this long. A measurer that died must not leave a lane closed.
_BELIEVED_S: Final = 180.0
_READ_EVERY_S: Final = 1.0
#: Work that is due is seen by some sweep, and measured, within this time.
_UNSEEN_S: Final = 3.0


def limits_of(lane: str) -> Limits | None:
    """The limits of a lane's depth; None: it has none, and is never refused (critical)."""
    priority = split_lane(lane)[1]
    given = settings.LANES["LIMITS"]
    pair = given.get(lane) or given.get(priority)
    if pair is None and priority in settings.LANES["SOFT_LIMIT"]:
        pair = settings.LANES["SOFT_LIMIT"][priority], settings.LANES["HARD_LIMIT"][priority]
    return None if pair is None else Limits(*pair)


def all_limits() -> dict[str, Limits]:
    """The limits of every lane that has some."""
    return {lane: limits for lane in LANES if (limits := limits_of(lane)) is not None}


# --- measuring --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Before:
    """What the last measuring left in the table."""

    depth: int
    capped: bool
    per_second: float | None
    measured_at: datetime
    again_at: datetime


class _Turn:
    """What this process knows of when to measure."""

    at: ClassVar[float] = float("-inf")
    all_empty: ClassVar[bool] = False


def measure(*, idle: bool) -> bool:
    """Measures the lanes if it is time; says whether it did. Several processes may call it, as often as they like: one
    of them measures. ``idle``: the caller saw nothing due in any lane; then it mostly costs no query."""
    if time.monotonic() < _Turn.at or (_Turn.all_empty and idle):
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            at = _take_turn(cursor)
            return at is not None and _measure(cursor, at)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        logger.warning("the lanes could not be counted within %s s", _COUNTING_S)
        _Turn.at = time.monotonic() + _PAUSE_S[1]
        return False


def _take_turn(cursor: Any) -> datetime | None:
    """The database's time, until the end of the transaction for us alone; None: somebody else is at it."""
    cursor.execute(
        "SELECT pg_try_advisory_xact_lock(%s), clock_timestamp(), set_config('statement_timeout', %s, true),"
        # A bitmap scan would read a lane's whole index before the first row, and no LIMIT could stop it.
        " set_config('enable_bitmapscan', 'off', true)",
        [_LOCK, f"{_COUNTING_S:g}s"],
    )
    is_ours, at, *_settings = cursor.fetchone()
    return at if is_ours else None


def _measure(cursor: Any, at: datetime) -> bool:
    before = {
        lane: _Before(*row)
        for lane, *row in LaneLoad.objects.values_list("lane", *(one.name for one in fields(_Before)))
    }
    waits = max(((row.again_at - at).total_seconds() for row in before.values()), default=0.0)
    if 0 < waits <= _PAUSE_S[1]:  # longer: the database's clock was set back
        _Turn.at = time.monotonic() + waits
        _Turn.all_empty = False
        return False
    began = time.monotonic()
    counts = _count(cursor, before, at)
    took = time.monotonic() - began
    pause = min(max(took / _SHARE, _PAUSE_S[0]), _PAUSE_S[1])
    _store(counts, before, at, again_at=at + timedelta(seconds=took + pause))
    _Turn.at = time.monotonic() + pause
    _Turn.all_empty = not any(count.depth for count in counts.values())
    return True


def _count(cursor: Any, before: Mapping[str, _Before], at: datetime) -> dict[str, Count]:
    # Past the hard limit, as a spike goes past it: how fast the lane drains is to be seen there too.
    caps = {lane: 2 * one.hard + 1 for lane, one in all_limits().items()}
    view = partitions.live_window(now=at)
    parameters = {
        "lanes": list(caps),
        "caps": list(caps.values()),
        "sinces": [before[lane].measured_at if lane in before else None for lane in caps],
        "at": at,
        "floor": view.floor,
        "ceiling": view.ceiling,
    }
    cursor.execute(statement("lane_loads"), parameters)
    return {lane: Count(depth, still, capped=depth >= caps[lane]) for lane, depth, still in cursor.fetchall()}


def _store(counts: Mapping[str, Count], before: Mapping[str, _Before], at: datetime, *, again_at: datetime) -> None:
    """Writes what was found of the lanes that are not, or were not, empty."""
    rows = [
        _row(lane, count, before.get(lane), at, again_at=again_at)
        for lane, count in sorted(counts.items())
        if count.depth or (lane in before and before[lane].depth)
    ]
    LaneLoad.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["lane"], update_fields=[one.name for one in fields(_Before)]
    )


def _row(lane: str, count: Count, last: _Before | None, at: datetime, *, again_at: datetime) -> LaneLoad:
    rate = None if last is None else last.per_second
    if last is not None and not last.capped:
        rate = shaving.drain_rate(
            before=last.depth, rate=rate, count=count, seconds=(at - last.measured_at).total_seconds()
        )
    return LaneLoad(
        lane=lane, depth=count.depth, capped=count.capped, per_second=rate, measured_at=at, again_at=again_at
    )


# --- reading ----------------------------------------------------------------------------------------------------------


class _Cache:
    #: Whoever has it reads the database. Nobody waits for it.
    refreshing: ClassVar = Lock()
    limits: ClassVar[Mapping[str, Limits]] = MappingProxyType({})
    loads: ClassVar[Mapping[str, Load]] = MappingProxyType({})
    #: What came after this (time.monotonic()) is not in the loads.
    measured: ClassVar[float] = float("-inf")
    read_at: ClassVar[float] = float("-inf")


_intake: Final = Intake()


def forget() -> None:
    """As a process that knows nothing yet."""
    _Cache.loads = MappingProxyType({})
    _Cache.measured = _Cache.read_at = _Turn.at = float("-inf")
    _Turn.all_empty = False
    _intake.clear()


def loads() -> Mapping[str, Load]:
    """The lanes with limits in which something was due when they were last measured, as stored a second ago. While one
    thread asks the database, or waits for it in vain, the others go by what was known."""
    if time.monotonic() - _Cache.read_at >= _READ_EVERY_S and _Cache.refreshing.acquire(blocking=False):
        try:
            _refresh()
        finally:
            _Cache.refreshing.release()
    return _Cache.loads


def _refresh() -> None:
    _Cache.limits = MappingProxyType(all_limits())
    try:
        _Cache.loads, _Cache.measured = _read()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the lanes' depths can't be read, the last known stand: %s", type(error).__name__)
    _Cache.read_at = time.monotonic()


def _read() -> tuple[Mapping[str, Load], float]:
    # In a transaction of its own: one that fails must not take the request's with it.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT lane, depth, per_second, extract(epoch FROM clock_timestamp() - measured_at)::float,"
            " extract(epoch FROM clock_timestamp() - again_at)::float FROM notify_laneload"
        )
        rows = [row for row in cursor.fetchall() if row[3] < _BELIEVED_S]
    now = time.monotonic()
    last_s = min((age for _lane, _depth, _rate, age, _late in rows), default=_UNSEEN_S)
    late_s = min((late for *_row, late in rows), default=_UNSEEN_S)
    found = {
        lane: Load(lane=lane, depth=depth, per_second=rate, limits=_Cache.limits[lane])
        for lane, depth, rate, *_times in rows
        if depth and lane in _Cache.limits
    }
    # Nobody measures while nothing is due: what came longer ago has left.
    return MappingProxyType(found), now - (last_s if late_s < _UNSEEN_S else _UNSEEN_S)


# --- judging ----------------------------------------------------------------------------------------------------------


def note(counts: Mapping[str, int]) -> None:
    """So many deliveries were just put into each lane, by this process."""
    _intake.note(counts, at=time.monotonic())


def admit(order: Order, *, now: datetime) -> None:
    """Lets ``order`` pass, or raises LaneSaturated, by the lanes that it goes to first. What is scheduled for later
    than we would ask anybody to wait is not judged by how deep the lanes are now."""
    known = loads()
    channels = order.channels if order.route == Route.ALL else order.channels[:1]
    deep = [load for channel in channels if (load := _load(lane_name(channel, order.priority), known)) is not None]
    if not deep or (order.send_at and (order.send_at - now).total_seconds() > shaving.MAX_WAIT_S):
        return
    refusal = shaving.decide(deep, draw=random.random(), jitter=random.random())
    if refusal is not None:
        raise _error(refusal)


def _load(lane: str, known: Mapping[str, Load]) -> Load | None:
    """The load of a lane past its soft limit, with what this process added since it was measured."""
    limits = _Cache.limits.get(lane)
    if limits is None:
        return None
    measured, added = known.get(lane), _intake.since(lane, at=_Cache.measured)
    depth = added + (measured.depth if measured else 0)
    if depth < limits.soft:
        return None
    return Load(lane=lane, depth=depth, per_second=measured.per_second if measured else None, limits=limits)


def _error(refusal: Refusal) -> LaneSaturated:
    load = refusal.load
    is_refusing = load.state is State.REFUSING
    signals.shaved.send(sender=None, lane=load.lane, decision="refused" if is_refusing else "slowed")
    return LaneSaturated(
        lane=load.lane,
        depth=load.depth,
        limit=load.limits.hard if is_refusing else load.limits.soft,
        kind="hard" if is_refusing else "soft",
        retry_after=refusal.retry_after_s,
    )
