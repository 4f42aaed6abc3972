"""This process as a worker: its name in the history, how many drains a lane may have here, and when to stop."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock

from django.conf import settings


class _Places:
    """How many drains each lane has here: enough that a lane which hangs leaves threads for the channel's others."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lanes: dict[str, BoundedSemaphore] = defaultdict(
            lambda: BoundedSemaphore(settings.LANES["DRAINS_PER_LANE"])
        )

    def of(self, lane: str) -> BoundedSemaphore:
        with self._lock:
            return self._lanes[lane]


_places = _Places()
_rung: set[str] = set()
_stop = Event()


def name() -> str:
    """``sms@host/4711``: who did it."""
    return f"{settings.PROCESS_NAME}@{socket.gethostname()}/{os.getpid()}"[:64]


@contextmanager
def place(lane: str) -> Iterator[bool]:
    """A place for one drain of ``lane``; False when all are taken: those drains will find the work too."""
    semaphore = _places.of(lane)
    taken = semaphore.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            semaphore.release()


def note_ring(lane: str) -> None:
    """Notes that ``lane`` was rung, before a place is looked for: a drain about to leave then sees it."""
    _rung.add(lane)


def rung(lane: str) -> bool:
    """Whether ``lane`` was rung and no drain has begun since."""
    return lane in _rung


def answer_ring(lane: str) -> None:
    """Says that a drain of ``lane`` begins."""
    _rung.discard(lane)


def stop() -> None:
    """Asks the drains of this process to come to an end."""
    _stop.set()


def stopping() -> bool:
    """Whether this process was asked to stop."""
    return _stop.is_set()


def wait(seconds: float) -> bool:
    """Sleeps, unless and until this process is asked to stop; says whether it was."""
    return _stop.wait(seconds)
