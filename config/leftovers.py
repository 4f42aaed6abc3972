"""Processes that an earlier run of the same DATA_DIR left behind, and how they are stopped. Never anything else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config import tether
from config.processes import records_folder

#: Stopped before all others, for it would start them again.
SUPERVISOR: Final = "supervisord"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A process that is alive and is the very one that left the record."""

    name: str
    pid: int
    stop_signal: signal.Signals
    birth: str

    def is_alive(self) -> bool:
        """Whether it is still there (and its id has not gone to another)."""
        return tether.started_at(self.pid) == self.birth

    def send(self, number: signal.Signals) -> None:
        """Signals it; when it dies meanwhile, all the better. A kill takes its whole process group."""
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def find(data_dir: Path) -> list[Leftover]:
    """The processes of ``data_dir`` that are alive; the records of the dead are removed."""
    found = []
    for path in sorted(records_folder(data_dir).glob("*")):
        try:
            pid, birth, stop_signal = path.read_text().split("\n")[:3]
            leftover = Leftover(
                name=path.name, pid=int(pid), birth=birth, stop_signal=signal.Signals[f"SIG{stop_signal}"]
            )
        except (ValueError, KeyError, FileNotFoundError):
            path.unlink(missing_ok=True)
            continue
        if leftover.is_alive():
            found.append(leftover)
        else:
            path.unlink(missing_ok=True)
    return found


def stop(data_dir: Path, *, limit_s: float = 10.0) -> list[str]:
    """Stops what is left of ``data_dir``'s processes, by force after ``limit_s``. Returns their names."""
    found = find(data_dir)
    supervisors = [leftover for leftover in found if leftover.name == SUPERVISOR]
    _stop_all(supervisors, limit_s)
    _stop_all(find(data_dir), limit_s)
    return [leftover.name for leftover in found]


def _stop_all(leftovers: Iterable[Leftover], limit_s: float) -> None:
    remaining = list(leftovers)
    for leftover in remaining:
        leftover.send(leftover.stop_signal)
    deadline = time.monotonic() + limit_s
    while remaining and time.monotonic() < deadline:
        time.sleep(0.05)
        remaining = [leftover for leftover in remaining if leftover.is_alive()]
    for leftover in remaining:
        leftover.send(signal.SIGKILL)
    while any(leftover.is_alive() for leftover in remaining):
        time.sleep(0.02)
