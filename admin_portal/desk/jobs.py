"""Jobs of the desk: asked for by a person, done in the background in portions of bounded size and time.

A portion, its progress and its place are one transaction, and the job's row is locked meanwhile: two workers never have
one job, and one that dies leaves nothing half done. Whoever comes next goes on at ``cursor``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet

from admin_portal import audit
from admin_portal.desk.selection import Selection
from admin_portal.models.desk import OPEN_STATES, DeskJob, JobKind, JobState
from channels.masking import mask_text
from notify import dead_letters, held
from notify.databases import is_absence
from notify.ids import new_id

logger = logging.getLogger(__name__)

#: Rows of a portion, and how long one tick goes on with further ones. Seconds.
PORTION: Final = 1000
TURN_S: Final = 0.5
#: After so many portions in a row that failed, somebody has to look.
_MOST_FAILURES: Final = 5

Act = Callable[[Sequence[UUID], str, datetime], int]


def _replay(ids: Sequence[UUID], actor: str, now: datetime) -> int:
    return dead_letters.replay(ids=ids, actor=actor, now=now).done


def _discard(ids: Sequence[UUID], actor: str, now: datetime) -> int:
    return dead_letters.discard(ids=ids, actor=actor, now=now).done


def _resend(ids: Sequence[UUID], actor: str, now: datetime) -> int:
    return held.resend(ids=ids, actor=actor, now=now).done


def _mark_sent(ids: Sequence[UUID], actor: str, now: datetime) -> int:
    return held.mark_sent(ids=ids, actor=actor, now=now).done


#: What each kind does to these ids as this actor; says how many were done.
ACTS: Final[Mapping[str, Act]] = {
    JobKind.REPLAY: _replay,
    JobKind.DISCARD: _discard,
    JobKind.RESEND: _resend,
    JobKind.MARK_SENT: _mark_sent,
}


def start(*, kind: JobKind, selection: Selection, author: str, origin: str, now: datetime) -> DeskJob:
    """Asks for it, with the criteria as they are now."""
    with transaction.atomic():
        job = DeskJob.objects.create(
            id=new_id(),
            kind=kind,
            criteria=selection.criteria,
            before=selection.before,
            author=author,
            total=selection.rows(kind).count(),
            created_at=now,
        )
        _tell(job, actor=author, origin=origin, verb="started", now=now)
    return job


def cancel(*, job_id: UUID, actor: str, origin: str, now: datetime) -> bool:
    """Stops it after the portion that is under way; what was done stays done. Says whether there was anything to
    stop."""
    with transaction.atomic():
        job = DeskJob.objects.select_for_update().filter(pk=job_id, state__in=OPEN_STATES).first()
        if job is None:
            return False
        _end(job, JobState.CANCELLED, by=actor, origin=origin, now=now)
    return True


def run_due(now: datetime, *, turn_s: float = TURN_S, portion: int = PORTION) -> int:
    """Goes on with the oldest job that nobody is at, for about ``turn_s`` seconds; returns how many rows it looked at.
    Idempotent; any process may, several at once."""
    began, looked_at = time.monotonic(), 0
    while True:
        seen = _do_portion(now=now, portion=portion)
        if seen is None:
            return looked_at
        looked_at += seen
        if time.monotonic() - began >= turn_s:
            return looked_at


def _do_portion(*, now: datetime, portion: int) -> int | None:
    """One portion of one job; how many rows it looked at, None when there is nothing to do."""
    job_id: UUID | None = None
    try:
        with transaction.atomic():
            job = _next_job()
            if job is None:
                return None
            job_id = job.pk
            return _advance(job, now=now, portion=portion)
    except (DatabaseError, ValueError) as error:
        if job_id is None or is_absence(error):
            raise
        logger.exception("a job of the desk failed", extra={"job": str(job_id)})
        _note_failure(job_id, error, now=now)
        return None


def _next_job() -> DeskJob | None:
    rows: QuerySet[DeskJob] = DeskJob.objects.select_for_update(skip_locked=True).filter(state__in=OPEN_STATES)
    return rows.order_by("failures", "id").first()


def _advance(job: DeskJob, *, now: datetime, portion: int) -> int:
    selection = Selection(criteria=job.criteria, before=job.before)
    ids = selection.ids_after(job.kind, job.cursor, at_most=portion)
    if job.state == JobState.WAITING:
        job.state, job.started_at = JobState.RUNNING, now
    if ids:
        done = ACTS[job.kind](ids, job.author, now)
        job.done += done
        job.skipped += len(ids) - done
        job.cursor = ids[-1]
    job.error, job.failures = "", 0
    if len(ids) < portion:
        _end(job, JobState.DONE, by="", origin="", now=now)
    else:
        job.save()
    return len(ids)


def _note_failure(job_id: UUID, error: Exception, *, now: datetime) -> None:
    with transaction.atomic():
        DeskJob.objects.filter(pk=job_id).update(
            failures=F("failures") + 1, error=mask_text(f"{type(error).__name__}: {error}"[:1000]).replace("\0", "")
        )
        job = DeskJob.objects.select_for_update().get(pk=job_id)
        if job.is_open and job.failures >= _MOST_FAILURES:
            _end(job, JobState.FAILED, by="", origin="", now=now)


def _end(job: DeskJob, state: JobState, *, by: str, origin: str, now: datetime) -> None:
    job.state, job.finished_at, job.ended_by = state, now, by
    job.save()
    _tell(job, actor=by or job.author, origin=origin, verb=str(state.value), now=now)


def _tell(job: DeskJob, *, actor: str, origin: str, verb: str, now: datetime) -> None:
    after: dict[str, Any] = {"kind": job.kind, "which": job.criteria, "before": job.before, "total": job.total}
    if verb != "started":
        after |= {"done": job.done, "passed_over": job.skipped, "error": job.error}
    audit.record(
        actor=actor, origin=origin, action=f"desk.job.{verb}", target=f"desk_job:{job.pk}", after=after, now=now
    )
