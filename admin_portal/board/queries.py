"""What the board reads: a bounded number of statements, each of bounded cost whatever the tables hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, ClassVar, Final, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from psycopg2.errors import QueryCanceled

from admin_portal.models.desk import OPEN_STATES, DeskJob, JobState
from channels.degradation import pins, standings
from channels.degradation.pin import PinSpec
from channels.degradation.standings import Standings
from channels.models import Provider
from channels.names import CHANNELS
from notify import queries
from notify.depths import LaneDepth

logger = logging.getLogger(__name__)

#: Counted so far and no further: "10,000+" is as good a reason to look as the number.
CAP: Final = 10_000
#: How long an answer is good enough for everybody who looks, and how long the database may think about one.
MAX_AGE_S: Final = 2.0
PATIENCE_MS: Final = 2000
#: A job that failed is told for so long.
_FAILED_FOR: Final = timedelta(hours=12)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Count:
    """How many; ``capped``: at least so many, nobody counted further."""

    number: int = 0
    capped: bool = False

    def __add__(self, other: Count) -> Count:
        return Count(self.number + other.number, self.capped or other.capped)


NONE: Final = Count()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """A provider's row, as far as the board needs it."""

    pk: int
    name: str
    channel: str
    weight: int
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways out: providers, how they and the channels stand, and what people have ordered."""

    providers: Sequence[ProviderConfig]
    stored: Standings
    pins: Sequence[PinSpec]


#: While they can't be read.
NO_WAYS: Final = Ways(providers=(), stored=Standings(), pins=())


@dataclass(frozen=True, slots=True)
class Pulse:
    """How long ago, by the database's clock, a process was last seen moving, and which. Seconds."""

    age_s: float
    worker: str


class _Remembered:
    """The last answers of this process, by name."""

    values: ClassVar[dict[str, tuple[float, Any]]] = {}


@contextmanager
def patiently() -> Iterator[None]:
    """One transaction for all that is remembered within: no statement of it may take longer than PATIENCE_MS."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
        yield
        cursor.execute("RESET statement_timeout")


def remember(name: str, read: Callable[[], Value]) -> Value | None:
    """What ``read`` says, or said a moment ago; None when the database is too busy to say."""
    known = _Remembered.values.get(name)
    if known is not None and monotonic() - known[0] < MAX_AGE_S:
        remembered: Value | None = known[1]
        return remembered
    answer: Value | None = None
    try:
        with transaction.atomic():
            answer = read()
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        logger.warning("board: %s can't be read within %s ms", name, PATIENCE_MS)
    _Remembered.values[name] = (monotonic(), answer)
    return answer


def forget() -> None:
    """Makes the next look read the database."""
    _Remembered.values.clear()


def ways(*, now: datetime) -> Ways:
    """Three queries."""
    rows = Provider.objects.order_by("channel", "-weight", "name").values("pk", "name", "channel", "weight", "enabled")
    return Ways(
        providers=[ProviderConfig(**row) for row in rows],
        stored=standings.read(),
        pins=pins.active(now=now),
    )


def lanes(*, now: datetime) -> dict[str, list[LaneDepth]]:
    """The lanes of each channel, the most urgent first."""
    found: dict[str, list[LaneDepth]] = {name: [] for name in CHANNELS}
    for depth in queries.lane_depths(now=now, at_most=CAP):
        found[depth.name.rpartition(".")[0]].append(depth)
    return found


def open_dead_letters() -> dict[str, Count]:
    """By channel, each counted up to CAP. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.name, counted.number FROM unnest(%s::text[]) AS c (name), LATERAL ("
            " SELECT count(*) AS number FROM (SELECT 1 FROM notify_deadletter d"
            " WHERE d.state = 'open' AND d.channel = c.name LIMIT %s) capped) counted WHERE counted.number > 0",
            [list(CHANNELS), CAP],
        )
        return {name: Count(number, capped=number >= CAP) for name, number in cursor.fetchall()}


def held() -> dict[str, Count]:
    """By channel; of more than CAP together the newest are told apart. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT channel, count(*) FROM (SELECT channel FROM notify_delivery WHERE status = 'held'"
            " ORDER BY id DESC LIMIT %s) newest GROUP BY channel ORDER BY channel",
            [CAP],
        )
        numbers = dict(cursor.fetchall())
    capped = sum(numbers.values()) >= CAP
    return {name: Count(number, capped=capped) for name, number in numbers.items()}


def pulses() -> dict[str, Pulse]:
    """Of the lifeboat, of whoever judges, and of each lane. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lane, greatest(extract(epoch FROM clock_timestamp() - seen_at), 0)::float, worker"
            " FROM notify_lanepulse"
        )
        return {lane: Pulse(age_s, worker) for lane, age_s, worker in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of the desk: how many are at it, and the last one that failed lately."""

    running: int
    failed: DeskJob | None


def desk_jobs(*, now: datetime) -> Jobs:
    """One query."""
    failed = Q(state=JobState.FAILED, finished_at__gte=now - _FAILED_FOR)
    rows = list(DeskJob.objects.filter(failed | Q(state__in=OPEN_STATES)).order_by("-id")[:100])
    return Jobs(
        running=sum(1 for row in rows if row.is_open),
        failed=next((row for row in rows if not row.is_open), None),
    )
