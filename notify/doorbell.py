"""The doorbell: tells a lane's workers that there is work. It carries no content, and may be lost, doubled or late.

Ringing costs the caller nothing, broker or no broker: it leaves the lane's name with a thread of this process, which
rings what gathered in the meantime. A bell that nobody has answered yet is not rung again (a key in Redis, for half a
second at most), so that a thousand requests make a few tasks.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from threading import Condition, Lock, Thread
from typing import Any, Final

import redis
from celery import current_app
from django.conf import settings
from kombu import Connection, Producer
from kombu.exceptions import OperationalError

from channels.cutout import CutOut

logger = logging.getLogger(__name__)

DRAIN_TASK: Final = "notify.drain"
#: Bells of one lane are at least this far apart: enough for a burst to gather, too little for a person to notice.
_GATHER_S: Final = 0.01
#: How long a bell may go unanswered before it may be rung again. Only latency hangs on it.
_UNANSWERED_MS: Final = 500
_FAILURES: Final = (redis.RedisError, OperationalError, OSError)


def bell_key(lane: str) -> str:
    """The Redis key that stands while a lane's bell has been rung and not answered."""
    return f"goutong:bell:{lane}"


class Doorbell:
    """One a process, with a thread of its own that starts with the first ring."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._changed = Condition()
        self._owner = 0
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._broker = CutOut(name="broker", pause_s=settings.REDIS_PAUSE_S, failures=_FAILURES)
        self._counters = CutOut(name="redis (bells)", pause_s=settings.REDIS_PAUSE_S, failures=_FAILURES)
        self._redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=settings.REDIS_TIMEOUT_S,
            socket_connect_timeout=settings.REDIS_TIMEOUT_S,
            retry=None,
        )

    def ring(self, lanes: Iterable[str]) -> None:
        """Leaves ``lanes`` to be rung; returns at once."""
        with self._changed:
            self._waiting.update(lanes)
            if self._owner != os.getpid():  # the first ring, or the first since a fork, which takes no threads along
                self._owner = os.getpid()
                Thread(target=self._serve, name="doorbell", daemon=True).start()
            self._changed.notify()

    def answer(self, lane: str) -> None:
        """Says that somebody is at the door of ``lane``: from here on a ring is news again."""
        self._counters.call(lambda: self._redis.delete(bell_key(lane)), otherwise=None)

    def _serve(self) -> None:
        rung_at: dict[str, float] = {}
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                lanes, self._waiting = self._waiting, set()
            now = time.monotonic()
            early = {lane for lane in lanes if now - rung_at.get(lane, 0.0) < _GATHER_S}
            for lane in lanes - early:
                try:
                    self._ring_now(lane)
                except Exception:
                    # The edge of this thread: it must outlive whatever a broker's client library comes up with.
                    logger.exception("the doorbell of %s could not be rung", lane)
                    self._producer = None
                rung_at[lane] = time.monotonic()
            if early:
                with self._changed:
                    self._waiting |= early
                time.sleep(_GATHER_S)

    def _ring_now(self, lane: str) -> None:
        def claim_bell() -> bool:
            return bool(self._redis.set(bell_key(lane), 1, nx=True, px=_UNANSWERED_MS))

        if self._counters.call(claim_bell, otherwise=True):
            self._broker.call(lambda: self._publish(lane), otherwise=None)

    def _publish(self, lane: str) -> None:
        try:
            current_app.send_task(
                DRAIN_TASK, args=(lane,), queue=lane, producer=self._open(), retry=False, ignore_result=True
            )
        except _FAILURES:
            self._close()
            raise

    def _open(self) -> Producer:
        if self._producer is None:
            limits: dict[str, Any] = {
                "socket_timeout": settings.REDIS_TIMEOUT_S,
                "socket_connect_timeout": settings.REDIS_TIMEOUT_S,
                "max_retries": 0,
            }
            self._connection = Connection(
                current_app.conf.broker_url, connect_timeout=settings.REDIS_TIMEOUT_S, transport_options=limits
            )
            self._producer = Producer(self._connection.default_channel)
        return self._producer

    def _close(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect()


class _Holder:
    bell: Doorbell | None = None
    lock = Lock()


def _bell() -> Doorbell:
    with _Holder.lock:
        if _Holder.bell is None:
            _Holder.bell = Doorbell()
        return _Holder.bell


def ring(lanes: Iterable[str]) -> None:
    """Rings the bells of ``lanes`` soon, from another thread. Never raises, never waits."""
    lanes = set(lanes)
    if lanes:
        _bell().ring(lanes)


def answer(lane: str) -> None:
    """Says that a drain of ``lane`` has begun."""
    _bell().answer(lane)
