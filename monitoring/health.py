"""Whether this process can accept: what it needs, and what it would rather have.

Acceptance needs a PostgreSQL that takes writes and has the schema this code expects. Redis and the broker are doorbells
and counters: without them messages are accepted and delivered, a little later, so their absence degrades and no more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import redis
from celery import current_app
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext_noop as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitoring.lookout import Lookout, NoAnswerError, Question, with_database
from monitoring.readings import LaneReading, reader
from monitoring.remarks import NOTHING, Remark
from notify import saturation
from notify.shaving import State

_log = logging.getLogger(__name__)

TIMEOUT_S: Final = 1.0
MAX_AGE_S: Final = 1.0
#: While somebody else is asking, an answer of up to this age is given instead of waiting. Seconds.
STALE_S: Final = 10.0
_SOCKET_TIMEOUT_S: Final = 0.5


class Status(StrEnum):
    """How a dependency is, and the whole."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency: how it is, how long it took to say so, and a word for people. ``more`` is shown beside."""

    status: Status
    ms: float = 0.0
    detail: Remark = NOTHING
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All checks and what follows from them."""

    status: Status
    checks: Mapping[str, Check]

    @property
    def can_accept(self) -> bool:
        """Whether a load balancer should send requests here."""
        return self.status is not Status.UNAVAILABLE

    def as_dict(self) -> dict[str, Any]:
        """The report as ``/readyz`` shows it."""
        return {
            "status": self.status.value,
            "checks": {
                name: {"status": check.status.value, "ms": check.ms, "detail": str(check.detail), **check.more}
                for name, check in self.checks.items()
            },
        }


class _RefusedError(Exception):
    """A dependency answered, and the answer is no. The remark is shown to everybody."""

    def __init__(self, words: str, **values: object) -> None:
        super().__init__(words)
        self.remark = Remark(words, values)


#: Without these nothing can be accepted.
_NEEDED: Final = ("database", "migrations")


def conclude(checks: Mapping[str, Check]) -> Status:
    """What the checks amount to."""
    if any(checks[name].status is not Status.OK for name in _NEEDED):
        return Status.UNAVAILABLE
    if any(check.status is not Status.OK for check in checks.values()):
        return Status.DEGRADED
    return Status.OK


class Doctor:
    """Asks all dependencies at once, and remembers the report for a moment, so that a storm of probes costs nothing."""

    def __init__(self) -> None:
        self._database = Lookout("health-database")
        self._redis = Lookout("health-redis")
        self._broker = Lookout("health-broker")
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._reported_at = float("-inf")
        self._is_migrated = False

    def report(self) -> Report:
        """How this process is. Takes about a second at most, two while migrations are read for the first time."""
        last, age = self._report, time.monotonic() - self._reported_at
        if last is not None and age < MAX_AGE_S:
            return last
        may_wait = last is None or age > STALE_S
        if not self._lock.acquire(blocking=may_wait):
            return last  # type: ignore[return-value]  # it may not wait only where there is a last one
        try:
            if self._report is None or time.monotonic() - self._reported_at >= MAX_AGE_S:
                report = self._examine()
                _tell_change(self._report, report)
                self._report, self._reported_at = report, time.monotonic()
            return self._report
        finally:
            self._lock.release()

    def stop(self) -> None:
        """Ends the threads and their connections, and forgets the report."""
        for lookout in (self._database, self._redis, self._broker):
            lookout.stop()
        self._report, self._reported_at, self._is_migrated = None, float("-inf"), False

    def _examine(self) -> Report:
        started = time.monotonic()
        same_broker = settings.BROKER_URL == settings.REDIS_URL
        asked = {
            "database": self._database.submit(_timed(with_database(_check_database))),
            "redis": self._redis.submit(_timed(_check_redis)),
        }
        if not same_broker:
            asked["broker"] = self._broker.submit(_timed(_check_broker))
        checks = {
            name: _await(question, timeout=max(0.0, started + TIMEOUT_S - time.monotonic()))
            for name, question in asked.items()
        }
        checks.setdefault("broker", checks["redis"])
        checks["migrations"] = self._check_migrations(checks["database"])
        checks["lanes"] = _check_lanes()
        return Report(status=conclude(checks), checks=checks)

    def _check_migrations(self, database: Check) -> Check:
        if self._is_migrated:
            return Check(Status.OK)
        if database.status is not Status.OK:
            return Check(Status.UNAVAILABLE, detail=Remark(_("unknown while the database is away")))
        check = _await(self._database.submit(_timed(with_database(_check_migrations))), timeout=TIMEOUT_S)
        self._is_migrated = check.status is Status.OK
        return check


doctor = Doctor()


def _timed(check: Callable[[], None]) -> Callable[[], Check]:
    """``check`` as a question whose answer is a Check, whatever it raises. Errors of drivers name hosts and users: only
    their kind is shown."""

    def run() -> Check:
        started = time.perf_counter()
        status, detail = Status.UNAVAILABLE, NOTHING
        try:
            check()
            status = Status.OK
        except _RefusedError as failure:
            detail = failure.remark
        except DatabaseFailure:
            detail = Remark(_("does not answer"))
        except Exception as error:  # noqa: BLE001  (every driver has its own, and a probe has to answer)
            detail = Remark(_("does not answer (%(error)s)"), {"error": type(error).__name__})
        return Check(status, ms=round((time.perf_counter() - started) * 1000, 1), detail=detail)

    return run


def _await(question: Question, *, timeout: float) -> Check:
    try:
        check: Check = question.wait(timeout)
    except NoAnswerError:
        question.is_abandoned = True
        detail = Remark(_("no answer within %(seconds)s s"), {"seconds": f"{TIMEOUT_S:g}"})
        return Check(Status.UNAVAILABLE, ms=TIMEOUT_S * 1000, detail=detail)
    return check


def _check_database(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')")
        in_recovery, read_only = cursor.fetchone()
    if in_recovery:
        raise _RefusedError(_("a standby: it takes no writes"))
    if read_only != "off":
        raise _RefusedError(_("read-only"))


def _check_migrations(connection: BaseDatabaseWrapper) -> None:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first = f"{plan[0][0].app_label}.{plan[0][0].name}"
        raise _RefusedError(_("%(count)s not applied, the first is %(first)s"), count=len(plan), first=first)


def _check_redis() -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        client.ping()


def _check_broker() -> None:
    with current_app.connection_for_write(connect_timeout=_SOCKET_TIMEOUT_S) as connection:
        # Not connect(): that one tries again, with pauses.
        connection.transport.close_connection(connection.transport.establish_connection())


def _check_lanes() -> Check:
    readings = reader.latest()
    if readings is None or readings.lanes is None:
        return Check(Status.OK, detail=Remark(_("not read yet")))
    stalled = [lane.name for lane in readings.lanes if lane.stalled]
    refusing = [lane.name for lane in readings.lanes if lane.state is State.REFUSING]
    return Check(
        Status.DEGRADED if stalled or refusing else Status.OK,
        detail=_of_lanes(stalled, refusing),
        more={"lanes": [_describe(lane) for lane in readings.lanes if lane.depth or lane.state is not State.OPEN]},
    )


def _of_lanes(stalled: Sequence[str], refusing: Sequence[str]) -> Remark:
    words = {
        (False, False): "",
        (True, False): _("nobody works on %(stalled)s"),
        (False, True): _("at the hard limit, refusing: %(refusing)s"),
        (True, True): _("nobody works on %(stalled)s; at the hard limit, refusing: %(refusing)s"),
    }[bool(stalled), bool(refusing)]
    return Remark(words, {"stalled": ", ".join(stalled), "refusing": ", ".join(refusing)})


def _describe(lane: LaneReading) -> dict[str, Any]:
    limits = saturation.limits_of(lane.name)
    return {
        "name": lane.name,
        "depth": lane.depth,
        "oldest_age_s": lane.oldest_age_s,
        "soft": limits and limits.soft,
        "hard": limits and limits.hard,
        "state": lane.state.value,
    }


def _tell_change(before: Report | None, after: Report) -> None:
    if before is None and after.status is Status.OK:
        return
    if before is None or before.status is not after.status:
        failing = {name: str(check.detail) for name, check in after.checks.items() if check.status is not Status.OK}
        _log.warning(
            "readiness is %s",
            after.status.value,
            extra={"fields": {"before": before.status.value if before else None, "failing": failing}},
        )
