"""Who judges the channels: the control worker each second, and the lifeboat when nobody else does."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from channels import engine
from notify import lanes, workers

#: The pulse of judging, beside those of the lanes.
PULSE: Final = "judging"
#: After so many seconds without a judgement, somebody else judges.
_SILENCE_S: Final = 3.0


def judge(*, now: datetime) -> None:
    """Judges every channel, and leaves a pulse."""
    engine.evaluate(now=now)
    lanes.feel_pulse(lane=PULSE, worker=workers.name(), now=now)


def judge_if_nobody_does(*, now: datetime) -> bool:
    """Judges when nobody has for a while; says whether it did."""
    if lanes.moved_within(lane=PULSE, seconds=_SILENCE_S):
        return False
    judge(now=now)
    return True
