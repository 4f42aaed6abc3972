"""When the database is away, as opposed to refusing what it was told."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection

from notify import grace, workers

logger = logging.getLogger(__name__)

Done = TypeVar("Done")

#: Gone, going, full, read-only (a fail-over under way) or too slow to answer: waiting helps against all of these.
DATABASE_AWAY: Final = (OperationalError, InterfaceError, InternalError)

#: Of those, the SQLSTATEs that say something of what was asked, which will be refused again
#: (https://www.postgresql.org/docs/18/errcodes-appendix.html): program_limit_exceeded and internal errors.
_OF_THE_ROWS: Final = ("54", "XX")
#: A quota that is used up is an internal error to PostgreSQL, which has an SQLSTATE only for a disk that is full.
NO_ROOM: Final = "could not extend file"

#: How long a write is tried, from its first try on, before a process that was asked to stop gives it up.
_PATIENCE_S: Final = 15.0


def is_absence(error: BaseException) -> bool:
    """Whether ``error`` says that the database is away."""
    state = getattr(error.__cause__, "pgcode", None) or ""
    of_the_rows = state.startswith(_OF_THE_ROWS) and NO_ROOM not in str(error)
    return isinstance(error, DATABASE_AWAY) and not of_the_rows


def drop_closed_connection() -> None:
    """Lets go of this thread's connection where PostgreSQL has closed it, as after a restart: the next query opens a
    new one. Costs no round trip: between requests PostgreSQL says nothing, and there is something to read only then."""
    raw = connection.connection
    if raw is None or connection.in_atomic_block:
        return
    if raw.closed:
        connection.close()
        return
    waiting = select.poll()
    waiting.register(raw.fileno(), select.POLLIN)
    if waiting.poll(0):
        connection.close()


@contextmanager
def apart(part: str, *, log: logging.Logger) -> Iterator[None]:
    """The edge of one part of a round: what goes wrong in it is logged, and keeps the others from nothing. Raises what
    says that the database is gone: without it there are no others."""
    try:
        yield
    except DATABASE_AWAY as error:
        if grace.note_absence(error):
            raise
        log.warning("%s: the database did not answer: %s", part, type(error).__name__)
    except Exception:
        log.exception("%s failed", part)


def patiently(write: Callable[[], Done]) -> Done:
    """What ``write`` returns, tried again and again while the database is away: what a provider has said must not be
    forgotten, or it will be sent twice. Raises at once what is not an absence, and what the database said when this
    process has been asked to stop and its patience is over."""
    until = time.monotonic() + _PATIENCE_S
    pause = 0.05
    while True:
        try:
            return write()
        except DATABASE_AWAY as error:
            grace.note_absence(error)
            if not is_absence(error) or (workers.stopping() and time.monotonic() > until):
                raise
            logger.warning("recording waits for the database: %s", type(error).__name__)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
