"""Where processes keep their figures: each in the files of a slot that it holds a lock on.

prometheus_client names a process's files by its pid, so every restart leaves files behind for ever, and after a week of
a crash loop a scrape reads thousands. A slot is free again when its holder dies, however it died (the kernel drops the
lock), and the next process counts on where it ended: there are as many files as processes that ever ran at once.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from prometheus_client.mmap_dict import MmapedDict

#: Made at full size at once, in bytes: a hole in a mapped file on a full disk kills the process that writes into it.
FILES: Final = {"counter": 256 * 1024, "histogram": 1024 * 1024}
_LIMIT: Final = 4096


class Slot:
    """Calling it gives the name of the slot this process holds; after a fork, the child's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._holder = 0
        self._lock: int | None = None
        self._name = ""

    def __call__(self) -> str:
        if self._holder != os.getpid():
            self._claim()
        return self._name

    def _claim(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for number in range(_LIMIT):
            lock = os.open(self._directory / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if self._lock is not None:
                os.close(self._lock)  # the parent's, inherited: the parent still holds it
            self._lock, self._holder, self._name = lock, os.getpid(), f"slot{number}"
            for kind, size in FILES.items():
                _prepare(self._directory / f"{kind}_{self._name}.db", size)
            return
        raise OSError(f"all {_LIMIT} slots of metrics are taken")


def _prepare(path: Path, size: int) -> None:
    if path.exists() and not _is_readable(path):
        path.unlink()
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        if os.fstat(file).st_size < size:
            os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)


def _is_readable(path: Path) -> bool:
    """Whether the figures a former holder left can be read: a machine that lost power leaves torn files."""
    try:
        for _entry in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            pass
    except (RuntimeError, ValueError, OSError, struct.error):
        return False
    return True
