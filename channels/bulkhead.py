"""A bulkhead a provider: its own threads, so that one that hangs takes nobody else's, and places kept free in them for
what is urgent, so that bulk which hangs does not take those of critical messages either."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

from channels.errors import ChannelsError
from channels.names import PRIORITIES

Work = Callable[[], None]

#: How much of a provider's concurrency a priority may use at most.
CEILINGS: Final = {"critical": 1.0, "normal": 0.85, "bulk": 0.6}


class BulkheadClosed(ChannelsError):
    """The bulkhead was closed before this was submitted: its provider's configuration has changed."""


class Bulkhead:
    """Runs work with at most ``size`` threads, the most urgent first, each priority up to its ceiling."""

    def __init__(self, *, name: str, size: int) -> None:
        self.size = size
        self._limits = {priority: max(1, int(size * share)) for priority, share in CEILINGS.items()}
        self._waiting: dict[str, deque[tuple[Work, int]]] = {priority: deque() for priority in PRIORITIES}
        self._queued = dict.fromkeys(PRIORITIES, 0)
        self._running = dict.fromkeys(PRIORITIES, 0)
        self._then: Work | None = None
        self._closed = False
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"provider-{name}")

    def submit(self, priority: str, work: Work, *, messages: int = 1) -> None:
        """Runs ``work``, which carries so many messages and must not raise, when a place for its priority is free.
        Raises BulkheadClosed."""
        with self._lock:
            if self._closed:
                raise BulkheadClosed
            self._waiting[priority].append((work, messages))
            self._queued[priority] += messages
            self._start()

    def places(self, priority: str) -> int:
        """How many places ``priority`` may have at most."""
        return self._limits[priority]

    def room(self, priority: str) -> tuple[int, int]:
        """How many places are free for ``priority`` now, and how many of its messages wait for one."""
        with self._lock:
            return max(self._free(priority), 0), self._queued[priority]

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._lock:
            return self._is_idle()

    def withdraw(self, priority: str, keep: Callable[[Work], bool]) -> list[Work]:
        """Takes back what waits and is not to be kept."""
        with self._lock:
            waiting = self._waiting[priority]
            withdrawn = [work for work, _messages in waiting if not keep(work)]
            self._waiting[priority] = deque(one for one in waiting if keep(one[0]))
            self._queued[priority] = sum(messages for _work, messages in self._waiting[priority])
        return withdrawn

    def close(self, *, then: Work) -> None:
        """Lets what was submitted finish, and then ends the threads and does ``then``. Does not wait."""
        with self._lock:
            self._then, self._closed = then, True
            self._end_if_idle()

    def _start(self) -> None:
        for priority in PRIORITIES:
            waiting = self._waiting[priority]
            while waiting and self._free(priority) > 0:
                work, messages = waiting.popleft()
                self._queued[priority] -= messages
                self._running[priority] += 1
                self._pool.submit(self._run, priority, work)

    def _free(self, priority: str) -> int:
        return min(self._limits[priority] - self._running[priority], self.size - sum(self._running.values()))

    def _is_idle(self) -> bool:
        return not any(self._waiting.values()) and not any(self._running.values())

    def _run(self, priority: str, work: Work) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._running[priority] -= 1
                self._start()
                self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._then is not None and self._is_idle():
            then, self._then = self._then, None
            self._pool.submit(then)
            self._pool.shutdown(wait=False)
