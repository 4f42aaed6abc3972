"""What PostgreSQL says of the platform right now: lanes, their pulses, dead letters. Read at most every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2.errors import QueryCanceled

from channels.names import CHANNELS
from monitoring.lookout import Lookout, NoAnswerError, Question, with_database
from notify import saturation
from notify.models import DeadLetter, LanePulse
from notify.models.dead_letter import DeadLetterState
from notify.queries import LaneDepth, lane_depths
from notify.shaving import Load, State

Part = TypeVar("Part")

_log = logging.getLogger(__name__)

MAX_AGE_S: Final = 5.0
TIMEOUT_S: Final = 2.5
#: Open dead letters of a channel are counted up to here, so that counting them never costs more than moments.
MAX_DEAD_LETTERS: Final = 100_000
#: A lane that holds due work this long while nobody touches it has lost its workers and its lifeboat. Seconds.
STALLED_AFTER_S: Final = 30.0
NO_LOADS: Final[Mapping[str, Load]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LaneReading:
    """A lane: how many deliveries are due, since when the first is, whether nobody is working on it, and whether it
    takes more."""

    name: str
    depth: int
    oldest_age_s: float
    stalled: bool
    state: State = State.OPEN


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read. ``dead_letters`` counts the open ones by channel; a part that took too long to read is None."""

    lanes: tuple[LaneReading, ...] | None
    dead_letters: Mapping[str, int] | None


class Reader:
    """Keeps the last readings, and has new ones made when they are old and somebody asks."""

    def __init__(self) -> None:
        self._lookout = Lookout("monitoring-readings")
        self._lock = threading.Lock()
        self._pending: Question | None = None
        self._read_at = float("-inf")
        self._last: Readings | None = None

    def current(self) -> Readings | None:
        """The readings, at most ``MAX_AGE_S`` old; None when the database is away. Waits for ``TIMEOUT_S`` at most."""
        pending = self._refresh()
        if pending is not None:
            try:
                pending.wait(TIMEOUT_S)
            except NoAnswerError:
                return None
        return self._last

    def latest(self) -> Readings | None:
        """The last readings there are, without waiting; new ones are on their way if they are old."""
        self._refresh()
        return self._last

    def stop(self) -> None:
        """Ends the thread and its connection, and forgets what was read."""
        self._lookout.stop()
        with self._lock:
            self._pending, self._last, self._read_at = None, None, float("-inf")

    def _refresh(self) -> Question | None:
        with self._lock:
            if time.monotonic() - self._read_at < MAX_AGE_S:
                return None
            if self._pending is None or self._pending.is_done:
                self._pending = self._lookout.submit(self._read)
            return self._pending

    def _read(self) -> None:
        found: Readings | None = None
        try:
            found = with_database(_query)()
        except (DatabaseError, InterfaceError) as error:
            _log.warning("the database can't be read for metrics (%s)", type(error).__name__)
        with self._lock:
            self._last, self._read_at = found, time.monotonic()


reader = Reader()


def judge(
    depths: list[LaneDepth], *, pulses: Mapping[str, datetime], now: datetime, loads: Mapping[str, Load] = NO_LOADS
) -> tuple[LaneReading, ...]:
    """Which lanes stand still: due work for a while, and no pulse for as long. A lane deeper than was counted here is
    as deep as it was measured (``loads``)."""
    return tuple(
        LaneReading(
            name=lane.name,
            depth=max(lane.depth, loads[lane.name].depth) if lane.capped and lane.name in loads else lane.depth,
            oldest_age_s=lane.oldest_age_s,
            stalled=lane.depth > 0
            and lane.oldest_age_s > STALLED_AFTER_S
            and (lane.name not in pulses or (now - pulses[lane.name]).total_seconds() > STALLED_AFTER_S),
            state=loads[lane.name].state if lane.name in loads else State.OPEN,
        )
        for lane in depths
    )


def _query(_connection: BaseDatabaseWrapper) -> Readings:
    return Readings(lanes=_unless_slow(_lanes), dead_letters=_unless_slow(_dead_letters))


def _unless_slow(read: Callable[[], Part]) -> Part | None:
    """What ``read`` returns; None when it hit the time limit of a statement: the database is busy, not away."""
    try:
        return read()
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return None


def _lanes() -> tuple[LaneReading, ...]:
    now = datetime.now(UTC)
    pulses = dict(LanePulse.objects.values_list("lane", "seen_at"))
    return judge(lane_depths(now=now), pulses=pulses, now=now, loads=saturation.loads())


def _dead_letters() -> dict[str, int]:
    open_ones = DeadLetter.objects.filter(state=DeadLetterState.OPEN)
    return {channel: open_ones.filter(channel=channel)[:MAX_DEAD_LETTERS].count() for channel in CHANNELS}
