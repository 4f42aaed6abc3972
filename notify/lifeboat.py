"""The lifeboat's watch: once a second it sweeps, and takes the lanes with due work that nobody has moved for a while.

Broker gone, workers gone, or a worker that lives and consumes nothing: from here they look the same, and the answer is
the same. Lanes that are moving are left to their workers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from channels.names import LANES
from notify import dispatch, grace, housekeeping, judging, lanes, signals, sweep, workers
from notify.databases import DATABASE_AWAY
from notify.pulses import DueLane

logger = logging.getLogger(__name__)

PULSE: Final = "lifeboat"
_WATCH_S: Final = 1.0
_HOUSE_S: Final = 900.0
_TICK_S: Final = 1.0
_TURN_S: Final = 5.0
#: In a lane it has taken, the lifeboat looks for work this often, and leaves when there was none for a while.
_LOOK_S: Final = 0.2
_IDLE_S: Final = 10.0


def stranded(due: Sequence[DueLane], *, now: datetime, after_s: float) -> list[str]:
    """The lanes that wait for longer than ``after_s`` and were not seen moving in that time. Pure."""
    limit = now - timedelta(seconds=after_s)
    return [lane.lane for lane in due if lane.due_at < limit and (lane.seen_at is None or lane.seen_at < limit)]


class Lifeboat:
    """Its crew: at most one drain a lane, each in a thread of its own."""

    def __init__(self, *, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._crew = ThreadPoolExecutor(max_workers=len(LANES), thread_name_prefix="lifeboat")
        self._manned: set[str] = set()
        self._lock = Lock()

    def watch(self, *, now: datetime) -> list[str]:
        """One look-out; returns the lanes it took."""
        due = sweep.sweep(worker=workers.name(), now=now)
        lanes.feel_pulse(lane=PULSE, worker=workers.name())
        taken = [lane for lane in stranded(due, now=now, after_s=settings.LANES["LIFEBOAT_AFTER_S"]) if self._man(lane)]
        if taken:
            logger.warning("lanes stranded, draining them here", extra={"lanes": taken})
        return taken

    def leave(self) -> None:
        """Waits for the crew."""
        self._crew.shutdown(wait=True)

    def _man(self, lane: str) -> bool:
        with self._lock:
            if lane in self._manned:
                return False
            self._manned.add(lane)
        self._crew.submit(self._row, lane)
        return True

    def _row(self, lane: str) -> None:
        try:
            count = self._stay(lane)
            logger.warning("lane left to its workers", extra={"lane": lane, "count": count})
        except DATABASE_AWAY as error:
            grace.note_absence(error)
            logger.warning("lifeboat: database away: %s", type(error).__name__)
        except Exception:
            logger.exception("lifeboat: drain failed", extra={"lane": lane})
        finally:
            connection.close()
            with self._lock:
                self._manned.discard(lane)

    def _stay(self, lane: str) -> int:
        """Drains ``lane`` until its own workers move it again, or until it has been empty for a while."""
        taken_at = worked_at = time.monotonic()
        count = 0
        while not workers.stopping() and time.monotonic() - worked_at < self._idle_s:
            handled = dispatch.drain(
                lane=lane, worker=workers.name(), stopping=workers.stopping, limit_s=_TURN_S, feel_pulse=False
            )
            count += handled
            if handled:
                worked_at = time.monotonic()
            if lanes.moved_within(lane=lane, seconds=time.monotonic() - taken_at) or workers.wait(_LOOK_S):
                break
        return count


class Aside:
    """Does something every so often in a thread of its own, from the start on: it may have to wait, and the watch must
    go on. What fails is tried again the next time. ``keeps_connection``: for what comes often."""

    def __init__(
        self, *, name: str, every_s: float, work: Callable[[datetime], object], keeps_connection: bool = False
    ) -> None:
        self._name = name
        self._every_s = every_s
        self._work = work
        self._keeps_connection = keeps_connection

    def start(self) -> Thread:
        """Begins; the thread ends when this process is asked to stop."""
        thread = Thread(target=self._serve, name=self._name, daemon=True)
        thread.start()
        return thread

    def _serve(self) -> None:
        while True:
            self.do()
            if workers.wait(self._every_s):
                return

    def do(self) -> None:
        """Does it once. Never raises."""
        is_well = False
        try:
            self._work(timezone.now())
            is_well = True
        except DATABASE_AWAY as error:
            grace.note_absence(error)
            logger.warning("%s: database away: %s", self._name, type(error).__name__)
        except Exception:
            logger.exception("%s failed", self._name)
        finally:
            if not (is_well and self._keeps_connection):
                connection.close()


def housekeeper() -> Aside:
    """Keeps house now and then."""
    return Aside(name="housekeeping", every_s=_HOUSE_S, work=lambda now: housekeeping.keep_house(now=now))


def caller() -> Aside:
    """Tells the rooms above that time goes on, for what falls due there."""
    return Aside(
        name="what falls due above",
        every_s=_TICK_S,
        work=lambda now: signals.send_tick(now=now),
        keeps_connection=True,
    )


def run() -> None:
    """Watches until this process is asked to stop."""
    boat = Lifeboat()
    for aside in (housekeeper(), caller()):
        aside.start()
    logger.info("lifeboat on watch")
    while not workers.wait(_WATCH_S):
        try:
            boat.watch(now=timezone.now())
            judging.judge_if_nobody_does(now=timezone.now())
        except DATABASE_AWAY as error:
            grace.note_absence(error)
            logger.warning("lifeboat: database away: %s", type(error).__name__)
            connection.close()
        except Exception:
            logger.exception("lifeboat: watch failed")
    boat.leave()
