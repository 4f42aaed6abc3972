"""A cut-out: after a failure, a while in which the failing thing is not even asked.

For what a request can do without (counters, doorbells): one request in a while pays for a time-out, and the others
go on as if the thing did not exist.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Otherwise = TypeVar("Otherwise")


class CutOut:
    """Guards calls of one thing, named ``name`` in the logs, shared by the threads of a process.

    After a failure (one of ``failures``) nobody asks for ``pause_s`` seconds; then one caller tries while the others
    still hold back, and either closes the cut-out or begins the next pause.
    """

    def __init__(self, *, name: str, pause_s: float, failures: tuple[type[Exception], ...]) -> None:
        self.name = name
        self.pause_s = pause_s
        self.failures = failures
        self._lock = Lock()
        self._ask_again_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last call failed, and none has succeeded since."""
        return self._ask_again_at is not None

    def reset(self) -> None:
        """Forgets the failure: the next call is made."""
        self._ask_again_at = None

    def _may_ask(self) -> bool:
        if self._ask_again_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            if self._ask_again_at is not None and now < self._ask_again_at:
                return False
            self._ask_again_at = now + self.pause_s
            return True

    def call(self, work: Callable[[], Result], *, otherwise: Otherwise) -> Result | Otherwise:
        """What ``work`` returns; ``otherwise`` when it fails, or is not to be asked now."""
        if not self._may_ask():
            return otherwise
        try:
            result = work()
        except self.failures as error:
            first = self._ask_again_at is None
            self._ask_again_at = time.monotonic() + self.pause_s
            if first:
                logger.warning("%s does not answer (%s): going on without it", self.name, type(error).__name__)
            return otherwise
        if self._ask_again_at is not None:
            self._ask_again_at = None
            logger.info("%s answers again", self.name)
        return result
