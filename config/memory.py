"""The garbage collector, set up for processes that handle messages by the thousand."""

from __future__ import annotations

import gc
from typing import Final

#: How many more objects there have to be before the youngest are looked through. A batch in hand is tens of thousands
#: of objects that are all alive: with Python's default of 700 they are looked through over and over, for nothing (a
#: fifth of the time of accepting a batch, see docs/performance.md).
_YOUNG: Final = 50_000


def settle() -> None:
    """Called once all modules are loaded: what there is now stays, and is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
