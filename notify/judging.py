"""Who judges the channels: the control worker each second, and the lifeboat when nobody else does."""

from __future__ import annotations

import time
from datetime import datetime
from typing import ClassVar, Final

from channels import engine
from notify import lanes, workers
from notify.hastening import Hastener

#: The pulse of judging, beside those of the lanes.
PULSE: Final = "judging"
#: While nothing is sent and everybody is well, it is enough to look this often: whoever is dead when sending begins is
#: found out by the drain that meets him.
_AT_REST_S: Final = 4.5
#: After so many seconds without a judgement, somebody else judges; he looks this often.
_SILENCE_S: Final = 8.0
_LOOK_S: Final = 3.5


_HASTENER: Final = Hastener()


class _Paced:
    """When this process last judged, or looked whether somebody does (time.monotonic())."""

    judged_at: ClassVar[float] = float("-inf")
    looked_at: ClassVar[float] = float("-inf")


def judge(*, now: datetime) -> bool:
    """Judges every channel, and leaves a pulse; says whether it did: at rest, only now and then."""
    if engine.is_at_rest() and time.monotonic() - _Paced.judged_at < _AT_REST_S:
        return False
    _Paced.judged_at = time.monotonic()
    engine.evaluate(now=now)
    _HASTENER.look(now=now)
    lanes.feel_pulse(lane=PULSE, worker=workers.name())
    return True


def judge_if_nobody_does(*, now: datetime) -> bool:
    """Judges when nobody has for a while; says whether it did."""
    if time.monotonic() - _Paced.looked_at < _LOOK_S:
        return False
    # A pulse of our own says that we stand in, not that anybody is back.
    if lanes.moved_within(lane=PULSE, seconds=_SILENCE_S, not_by=workers.name()):
        _Paced.looked_at = time.monotonic()
        return False
    return judge(now=now)
