"""How a run of a drill goes on: pure.

    waiting → opened → loaded → faulty → recovering → measured → reported

The clock leads from one phase to the next; the stage goes by the same clock, so that it ends also when nobody drives
the run. A person aborts, or a run was left alone for too long: both lead to *recovering* at once, with the stage
closed, and to a report that says so. A move is one transaction with its effect: whoever is killed in between has made
it or has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from admin_portal.drills.terms import SETTING_UP_S, SETTLE_S, Terms
from admin_portal.models.drills import DrillOutcome as DrillOutcome
from admin_portal.models.drills import DrillPhase as DrillPhase

#: A run that nobody drove for longer than this measured nothing that could be trusted.
LONGEST_GAP: Final = timedelta(seconds=15)
#: What was not sent in time is not sent all at once when somebody drives again.
_CATCH_UP: Final = timedelta(seconds=3)
#: In these the load flows.
UNDER_LOAD: Final = frozenset({DrillPhase.LOADED, DrillPhase.FAULTY, DrillPhase.RECOVERING})
#: In these something of it is in force.
ON_STAGE: Final = frozenset({DrillPhase.OPENED, *UNDER_LOAD})


class Move(StrEnum):
    """What is done next."""

    OPEN = "open"
    LOAD = "load"
    FAULT = "fault"
    RECOVER = "recover"
    GIVE_UP = "give_up"
    MEASURE = "measure"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When what happens, settled when the stage opens."""

    opens_at: datetime
    load_from: datetime
    faulty_from: datetime
    faulty_until: datetime
    load_until: datetime
    closes_at: datetime

    @classmethod
    def of(cls, terms: Terms, *, opens_at: datetime) -> Schedule:
        """That of a drill that begins at ``opens_at``."""
        load_from = cls.load_begins(opens_at)
        faulty_from = load_from + timedelta(seconds=terms.warm_s)
        faulty_until = faulty_from + timedelta(seconds=terms.fault_s)
        load_until = faulty_until + timedelta(seconds=terms.recover_s)
        return cls(
            opens_at=opens_at,
            load_from=load_from,
            faulty_from=faulty_from,
            faulty_until=faulty_until,
            load_until=load_until,
            closes_at=load_until + timedelta(seconds=SETTLE_S),
        )

    @staticmethod
    def load_begins(opens_at: datetime) -> datetime:
        """When every process knows of a stage that opens at ``opens_at``."""
        return opens_at + timedelta(seconds=SETTING_UP_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a run stands. ``settled``: all that was sent has come to its end. ``ended``: nothing goes wrong any more
    because somebody aborted it, or it was given up. ``looked``: somebody has looked what became of its messages; who
    has not, because another one brought the run here meanwhile, looks first."""

    phase: DrillPhase
    schedule: Schedule | None = None
    driven_until: datetime | None = None
    settled: bool = False
    ended: bool = False
    looked: bool = True


def next_move(run: Standing, *, now: datetime) -> Move | None:
    """What is to be done now; None: nothing, until time passes."""
    if run.phase is DrillPhase.WAITING:
        return Move.OPEN
    if run.phase is DrillPhase.MEASURED:
        return Move.REPORT
    plan = run.schedule
    if run.phase is DrillPhase.REPORTED or plan is None:
        return None
    if not run.ended and was_left_alone(run, now=now):
        return Move.GIVE_UP
    if run.phase is DrillPhase.OPENED:
        return Move.LOAD if now >= plan.load_from else None
    if run.phase is DrillPhase.LOADED:
        return Move.FAULT if now >= plan.faulty_from else None
    if run.phase is DrillPhase.FAULTY:
        return Move.RECOVER if now >= plan.faulty_until else None
    over = now >= plan.load_until and (run.settled or now >= plan.closes_at)
    return Move.MEASURE if over and run.looked else None


def was_left_alone(run: Standing, *, now: datetime) -> bool:
    """Whether nobody drove the run for so long that its figures say nothing. After the load nobody has to."""
    if run.schedule is None or run.driven_until is None or run.phase not in ON_STAGE:
        return False
    return min(now, run.schedule.load_until) - run.driven_until > LONGEST_GAP


def due_load(*, driven_until: datetime, load_until: datetime, rate_per_s: int, now: datetime) -> tuple[int, datetime]:
    """How many messages are to be sent now, and up to when the load has been sent then."""
    until = min(now, load_until)
    since = max(driven_until, until - _CATCH_UP)
    # A whole message must not fail by a millionth of a second.
    count = max(0, int((until - since).total_seconds() * rate_per_s + 0.001))
    return count, since + timedelta(seconds=count / rate_per_s)
