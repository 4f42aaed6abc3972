"""Celery's side of it: what falls due in this room, once a second."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import ClassVar, Final

from celery import shared_task
from django.db import connection
from django.utils import timezone

from admin_portal import due
from admin_portal.audit import transitions
from admin_portal.desk import jobs
from admin_portal.drills import running as drills
from admin_portal.due import Part
from admin_portal.plans import proposing, running
from admin_portal.steering import applying, paging
from notify import grace
from notify.databases import DATABASE_AWAY, apart

logger = logging.getLogger(__name__)


#: What nobody waits for by the second is looked at this often.
_NOW_AND_THEN_S: Final = 5.0


class _Paced:
    """When this process last looked at what is looked at now and then (time.monotonic())."""

    looked_at: ClassVar[float] = float("-inf")


@shared_task(name="admin_portal.steer")
def steer() -> None:
    """Whatever is due: degradations begin and end, approvers are called, plans, drills and jobs go on, plans are
    proposed, and the engine's changes come into the audit."""
    steer_once(now=timezone.now())


def steer_once(*, now: datetime) -> None:
    """One round. Idempotent, and harmless beside another: each part locks what it moves and looks again. What fails in
    one part keeps the others from nothing, and an outage of the database is one line in the log."""
    try:
        parts = due.look(now=now)
        if Part.REQUESTS in parts:
            with apart("steering: what is due", log=logger):
                applying.run_due(now=now)
        if Part.CALLS in parts:
            with apart("steering: calls", log=logger):
                paging.run_due(now=now)
        if Part.RUNS in parts:
            with apart("plans: runs", log=logger):
                running.run_due(now=now)
        if Part.DRILLS in parts:
            with apart("drills", log=logger):
                drills.run_due(now=now)
        if Part.JOBS in parts:
            with apart("desk: jobs", log=logger):
                jobs.run_due(now)
        if time.monotonic() - _Paced.looked_at >= _NOW_AND_THEN_S:
            _Paced.looked_at = time.monotonic()
            with apart("plans: triggers", log=logger):
                proposing.run_due(now=now)
            with apart("audit: what the engine did", log=logger):
                transitions.take_over()
    except DATABASE_AWAY as error:
        grace.note_absence(error)
        logger.warning("steering: database away: %s", type(error).__name__)
        connection.close()
