"""The thread that tells the others: sending never waits for Redis, and gathers into one write what comes together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final

from channels.quality.ledger import Ledger
from channels.quality.store import Store

logger = logging.getLogger(__name__)

#: Long enough for a burst to gather, short against the second in which decisions are made.
_GATHER_S: Final = 0.1
#: How often it is said again that something is out, while nothing comes back.
_WAITING_S: Final = 1.0


class Publisher:
    """Publishes ``ledger`` soon after it was told that there is something new."""

    def __init__(self, *, ledger: Ledger, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._changed = Condition()
        self._thread: Thread | None = None

    def wake(self) -> None:
        """Says that there is something new. Costs the caller next to nothing."""
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="quality", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._ledger.is_fresh:
                    self._changed.wait(_WAITING_S if self._ledger.waits else None)
            time.sleep(_GATHER_S)
            try:
                self._store.publish(self._ledger, now=self._clock())
            except Exception:
                # The edge of this thread: figures must not end with whatever the client library comes up with.
                logger.exception("figures could not be published")
