"""What this process has put into the lanes lately: what no measuring has seen yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Final

_GRAIN_S: Final = 0.1
#: Nobody asks for what is longer ago.
_KEPT_S: Final = 120.0


class Intake:
    """Counts by lane and moment (``time.monotonic()``), a tenth of a second to a grain."""

    def __init__(self) -> None:
        self._grains: dict[str, deque[tuple[float, int]]] = {}
        self._lock = Lock()

    def note(self, counts: Mapping[str, int], *, at: float) -> None:
        """So many went into each lane."""
        with self._lock:
            for lane, count in counts.items():
                grains = self._grains.setdefault(lane, deque())
                if grains and at - grains[-1][0] < _GRAIN_S:
                    grains[-1] = (grains[-1][0], grains[-1][1] + count)
                else:
                    grains.append((at, count))
                while at - grains[0][0] > _KEPT_S:
                    grains.popleft()

    def since(self, lane: str, *, at: float) -> int:
        """How many went into ``lane`` after the moment ``at``, to the grain."""
        grains = self._grains.get(lane)
        if not grains or grains[-1][0] <= at:
            return 0
        with self._lock:
            total = 0
            for moment, count in reversed(grains):
                if moment <= at:
                    break
                total += count
            return total

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._grains.clear()
