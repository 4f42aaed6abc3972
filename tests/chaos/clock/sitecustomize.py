"""A clock that can be put wrong, for Python processes started with this folder on their PYTHONPATH.

CHAOS_CLOCK names a file of JSON: seconds to add to the time, by PROCESS_NAME, or for all under "*". It is looked at
ten times a second. Only the time of day is moved (time-machine does that, in C); monotonic clocks and PostgreSQL's
clock go on, as when an operator or NTP sets the clock of one host.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import time_machine

_real_time = time.time
_sleep = time.sleep


def _wanted(path: Path) -> float:
    try:
        offsets = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0.0
    return float(offsets.get(os.environ.get("PROCESS_NAME", ""), offsets.get("*", 0.0)))


def _follow(path: Path) -> None:
    offset, travel = 0.0, None
    while True:
        wanted = _wanted(path)
        if wanted != offset:
            if travel is not None:
                travel.stop()
                travel = None
            if wanted:
                travel = time_machine.travel(_real_time() + wanted, tick=True)
                travel.start()
            offset = wanted
        _sleep(0.1)


def _start() -> None:
    path = os.environ.get("CHAOS_CLOCK")
    if path:
        threading.Thread(target=_follow, args=(Path(path),), name="chaos-clock", daemon=True).start()


_start()
os.register_at_fork(after_in_child=_start)
