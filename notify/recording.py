"""Recording a batch of outcomes, also when the database refuses one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import DatabaseError

from notify import lanes, outcomes
from notify.databases import is_absence
from notify.rows import Outcome

logger = logging.getLogger(__name__)

#: How to go about one write: at once, or patiently.
Writer = Callable[[Callable[[], set[UUID]]], set[UUID]]


def record(
    *, settled: Sequence[Outcome], lease: UUID, write: Writer, clock: Callable[[], datetime]
) -> tuple[set[UUID], list[UUID]]:
    """Records ``settled``, held under ``lease``; returns the ids that were written and those that could not be.

    One row that the database refuses must not take the others with it, or they would be sent again: then they are
    written one by one, and of that one the bare status. Raises what says that the database is away.
    """
    try:
        return write(lambda: lanes.record(outcomes=settled, lease=lease, now=clock())), []
    except (DatabaseError, ValueError) as error:
        if is_absence(error):
            raise
    written: set[UUID] = set()
    refused: list[UUID] = []
    for outcome in settled:
        found = _record_one(outcome, lease, write, clock)
        if found is None:
            refused.append(outcome.id)
        else:
            written |= found
    return written, refused


def _record_one(outcome: Outcome, lease: UUID, write: Writer, clock: Callable[[], datetime]) -> set[UUID] | None:
    for version in (outcome, outcomes.bare(outcome)):
        try:
            return write(partial(lanes.record, outcomes=[version], lease=lease, now=clock()))
        except (DatabaseError, ValueError) as error:
            if is_absence(error):
                raise
            logger.exception("an outcome can't be recorded", extra={"delivery_id": str(outcome.id)})
    return None
