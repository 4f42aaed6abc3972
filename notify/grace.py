"""When leases may be judged: not while those who hold them could not have renewed them.

The database says how long it has been up, but a replica that was promoted has been up for long. So each process that
judges also goes by what it saw itself: an absence of the database, or clocks that jumped (a suspended machine, a time
that was set).
"""

from __future__ import annotations

import time
from typing import ClassVar, Final

#: Wall clock and monotonic clock of a process go at the same pace; apart by more than this, one of them jumped.
_JUMP_S: Final = 2.0
#: SQLSTATEs that a server answers with when it goes, comes, is only a replica or has no room; without, nobody answered
#: (https://www.postgresql.org/docs/18/errcodes-appendix.html).
_GOING: Final = ("08", "57P", "25006", "53100")


class _Seen:
    """What this process saw, by its monotonic clock."""

    trouble_at: ClassVar[float] = float("-inf")
    clocks_apart_s: ClassVar[float | None] = None


def note_absence(error: BaseException) -> bool:
    """Notes that the database was gone, if that is what ``error`` says: not when it was only too busy to answer."""
    state = getattr(error.__cause__, "pgcode", None)
    gone = state is None or str(state).startswith(_GOING)
    if gone:
        _Seen.trouble_at = time.monotonic()
    return gone


def note_clocks(*, wall_s: float | None = None) -> None:
    """Compares this process's clocks with how they stood when it last did."""
    apart = (time.time() if wall_s is None else wall_s) - time.monotonic()
    before, _Seen.clocks_apart_s = _Seen.clocks_apart_s, apart
    if before is not None and abs(apart - before) > _JUMP_S:
        _Seen.trouble_at = time.monotonic()


def is_over(*, grace_s: float) -> bool:
    """Whether nothing of the kind happened in the last ``grace_s`` seconds."""
    return time.monotonic() - _Seen.trouble_at >= grace_s


def forget() -> None:
    """As if nothing had happened."""
    _Seen.trouble_at, _Seen.clocks_apart_s = float("-inf"), None
