"""Celery's side of it. Tasks carry no content and decide nothing: they call verbs of this room."""

from __future__ import annotations

import logging
from collections.abc import Callable

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import connection
from django.utils import timezone

from channels import quality
from notify import dispatch, grace, housekeeping, judging, sweep, workers
from notify.databases import DATABASE_AWAY

logger = logging.getLogger(__name__)


@worker_shutting_down.connect
def _stop_drains(**_kwargs: object) -> None:
    workers.stop()


def _while_database_answers(work: Callable[[], object]) -> None:
    """Does ``work``; an outage of the database is one line in the log, since the sweep rings again when it is over."""
    try:
        work()
    except DATABASE_AWAY as error:
        grace.note_absence(error)
        logger.warning("database away: %s", type(error).__name__)
        connection.close()


@shared_task(name="notify.drain")
def drain(lane: str) -> None:
    """There is work in ``lane``."""
    workers.note_ring(lane)
    while workers.rung(lane) and not workers.stopping():
        with workers.place(lane) as taken:
            if not taken:
                return  # whoever has the places looks once more before it leaves
            workers.answer_ring(lane)
            _while_database_answers(lambda: dispatch.drain(lane=lane, worker=workers.name(), stopping=workers.stopping))


@shared_task(name="notify.sweep")
def sweep_lanes() -> None:
    """Keeps the lanes honest."""
    _while_database_answers(lambda: sweep.sweep(worker=workers.name(), now=timezone.now()))


@shared_task(name="notify.judge_channels")
def judge_channels() -> None:
    """Judges every channel and its providers, and says that it did."""
    _while_database_answers(lambda: judging.judge(now=timezone.now()))


@shared_task(name="notify.roll_up")
def roll_up() -> None:
    """Writes what providers did, minute by minute, into the table."""
    _while_database_answers(lambda: quality.roll_up(now=timezone.now()))


@shared_task(name="notify.keep_house")
def keep_house() -> None:
    """Makes partitions ahead, drops those past retention, forgets old answers."""
    _while_database_answers(lambda: housekeeping.keep_house(now=timezone.now()))
