"""Bodies that nobody read, because the answer was clear without them: no key, no room, no database.

The server closes a connection on which a body was left unread. A client that is still sending it is then told "broken
pipe", and never sees the answer: not the 503, and not its ``Retry-After``. So what is left is read first, and thrown
away. Somebody who sends slowly on purpose can hold one thread by that (``notify.api.bodies`` counts on it): one body at
a time is waited for, the others for as long as a quick one takes, and then the connection is closed as before.
"""

from __future__ import annotations

from contextlib import suppress
from threading import BoundedSemaphore
from typing import Any, Final

#: A body larger than this is not worth it: the client has to wait for the answer until it has sent it all.
_AT_MOST_BYTES: Final = 2 * 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024
#: Many times what a body takes that is on its way.
_PATIENCE_S: Final = 0.05
_one_at_a_time: Final = BoundedSemaphore(1)


def read_away(environ: dict[str, Any]) -> None:
    """Reads what is left of the body of ``environ``, at most 2 MiB of it. Never raises."""
    if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
        return
    if not _one_at_a_time.acquire(timeout=_PATIENCE_S):
        return
    try:
        left = _AT_MOST_BYTES
        # A client that is gone does not need the answer.
        with suppress(OSError):
            while left > 0 and (piece := environ["wsgi.input"].read(_PIECE_BYTES)):
                left -= len(piece)
    finally:
        _one_at_a_time.release()
