"""The terminal of `make run`: what the stack says, and what its processes log, line by line with their names.

A thread of its own, because a terminal may be slow, paused (Ctrl-S) or gone, and the stack must not care.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from itertools import cycle
from pathlib import Path
from typing import Final

_PERIOD_S: Final = 0.2
#: A process that logs without end must not take a processor for being shown.
_MOST_BYTES_AT_ONCE: Final = 256 * 1024
_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Tail:
    """New lines of a log file that is written, rotated and perhaps not yet there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BufferedReader | None = None
        self._unfinished = b""
        self._open(at_end=True)

    def read_lines(self) -> list[bytes]:
        """The whole lines that came since the last call."""
        if self._file is None:
            self._open(at_end=False)
        if self._file is None:
            return []
        data = self._file.read(_MOST_BYTES_AT_ONCE)
        if not data and self._was_rotated():
            self.close()
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        return lines

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, *, at_end: bool) -> None:
        with suppress(FileNotFoundError):
            self._file = self._path.open("rb")
            if at_end:
                self._file.seek(0, os.SEEK_END)

    def _was_rotated(self) -> bool:
        if self._file is None:
            return False
        mine = os.fstat(self._file.fileno())
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return True
        return current.st_ino != mine.st_ino or current.st_size < self._file.tell()


def _label(name: str, colour: int) -> bytes:
    text = f"{name} | "
    return (f"\033[{colour}m{text}\033[0m" if os.isatty(1) else text).encode()


class Terminal:
    """Writes to standard output from a thread, and stops writing when nobody is there to read."""

    def __init__(self) -> None:
        self._tails: list[tuple[bytes, Tail]] = []
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)
        self._thread.start()

    def follow(self, folder: Path, names: Sequence[str]) -> None:
        """Shows from now on what comes into the logs of these processes."""
        width = max(len(name) for name in names)
        self._tails = [
            (_label(name.ljust(width), colour), Tail(folder / f"{name}.log"))
            for name, colour in zip(names, cycle(_COLOURS), strict=False)
        ]

    def say(self, text: str) -> None:
        """Shows a text of the stack itself. Never waits."""
        self._said.put(text)

    def close(self) -> None:
        """Shows what is still to be shown, if the terminal takes it."""
        self._closing.set()
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            for _, tail in self._tails:
                tail.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                last_round = self._closing.is_set()
                for label, tail in self._tails:
                    self._write(b"".join(label + line + b"\n" for line in tail.read_lines()))
                self._show_said()
                if last_round:
                    return
                time.sleep(_PERIOD_S)

    def _show_said(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._write(self._said.get_nowait().encode() + b"\n")

    @staticmethod
    def _write(data: bytes) -> None:
        # Straight to the descriptor: a buffered stream blocked in this thread would block the exit of the process.
        while data:
            data = data[os.write(1, data) :]
