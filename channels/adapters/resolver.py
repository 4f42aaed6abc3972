"""Looking names up. The C library knows no timeout for that, so it happens in threads of its own: a bounded number of
them, one at most for each name, and nobody waits for one longer than the limit."""

from __future__ import annotations

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

Key = tuple[str, int]


@dataclass(slots=True)
class _Lookup:
    future: Future[list[Any]]
    waiting: int = 0


class Resolver:
    """Looks names up in ``threads`` threads. A name that is slow keeps one of them busy, however many ask for it."""

    def __init__(self, *, name: str, threads: int, limit_s: float) -> None:
        self._limit_s = limit_s
        self._lock = Lock()
        self._lookups: dict[Key, _Lookup] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"resolver-{name}")

    def look_up(self, host: str, port: int, *, timeout: float) -> list[Any]:
        """What ``socket.getaddrinfo`` says of ``host``, within ``timeout`` seconds and the limit. Raises OSError:
        socket.gaierror when there is no such name, TimeoutError."""
        key = (host, port)
        with self._lock:
            lookup = self._lookups.get(key)
            if lookup is None:
                lookup = self._lookups[key] = _Lookup(self._pool.submit(self._ask, key))
            lookup.waiting += 1
        try:
            return lookup.future.result(timeout=min(timeout, self._limit_s))
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "the name can't be looked up") from None
        finally:
            self._leave(key, lookup)

    def _ask(self, key: Key) -> list[Any]:
        try:
            return socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
        finally:
            with self._lock:
                self._lookups.pop(key, None)

    def _leave(self, key: Key, lookup: _Lookup) -> None:
        """What nobody waits for any more, and has not begun, need not be."""
        with self._lock:
            lookup.waiting -= 1
            if not lookup.waiting and lookup.future.cancel():
                self._lookups.pop(key, None)
