"""How many reports of one kind may leave in a while, so that an outage is one issue and not ten thousand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

_MAX_KINDS: Final = 1000


class Allowance:
    """Counts reports by kind in windows of ``per_s`` seconds. Safe between threads; forgets the oldest kinds."""

    def __init__(self, *, per_s: float) -> None:
        self._per_s = per_s
        self._lock = threading.Lock()
        self._windows: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def allow(self, kind: Hashable, *, limit: int, now: float) -> bool:
        """Whether one more of ``kind`` may go, at ``now`` on any clock that only goes forward (seconds)."""
        with self._lock:
            began, count = self._windows.get(kind, (now, 0))
            if now - began >= self._per_s:
                began, count = now, 0
            self._windows[kind] = (began, count + 1)
            self._windows.move_to_end(kind)
            while len(self._windows) > _MAX_KINDS:
                self._windows.popitem(last=False)
            return count < limit
