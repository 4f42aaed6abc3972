"""A drill's own load: messages of a test key of an application of its own, to recipients that nobody is.

A portion and the moment up to which the load has been sent are one transaction: whoever is killed in between has sent
none of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from admin_portal.drills import ledger, progress
from admin_portal.models import DrillRun
from admin_portal.models.drills import DrillPhase
from notify import api_keys, submission
from notify.errors import NotifyError
from notify.models import ApiKey, Application, Route
from notify.orders import Order, Recipient

logger = logging.getLogger(__name__)

#: The application that drills send as.
APPLICATION: Final = "goutong-drill"
KEY: Final = "drill"
#: Of its messages.
PRIORITY: Final = "normal"
#: An address of each kind that belongs to nobody: reserved names, and a number of the range kept for fiction.
_NOBODY: Final = {
    "email": "drill-{}@drill.example.com",
    "phone": "+1202555{:04d}",
    "device_token": "goutong-drill-{}",
    "im": "goutong-drill-{}",
    "url": "https://example.com/goutong-drill/{}",
    "user_id": "goutong-drill-{}",
}
#: What has not got through by then ends as expired, and is counted as such, not as lost.
_TIME_TO_END: Final = timedelta(seconds=20)
#: Numbers of fiction end with 0100 to 0199.
_FIRST_NUMBER: Final = 100
_PEOPLE: Final = 100


def key() -> ApiKey:
    """The test key that drills send with; a new one when somebody revoked the last."""
    application, _made = Application.objects.get_or_create(name=APPLICATION)
    rows = ApiKey.objects.filter(application=application, name=KEY, is_test=True, revoked_at=None)
    found = rows.order_by("pk").first()
    if found is None:
        # Its plain text is not needed: nothing comes in by the API with it.
        found, _plain = api_keys.create(application=application, name=KEY, is_test=True)
    found.application = application
    return found


def send_due(run_id: UUID, *, now: datetime) -> int:
    """Sends what is due of a run's load; returns how many messages. Idempotent: under the row's lock it is seen up to
    when it has been sent."""
    with transaction.atomic():
        run = ledger.lock(run_id)
        if run.driven_until is None or run.load_until is None or run.outcome or run.phase not in progress.ON_STAGE:
            return 0
        if progress.was_left_alone(ledger.standing_of(run, settled=False), now=now):
            return 0  # it is given up
        gap = (min(now, run.load_until) - run.driven_until).total_seconds()
        run.longest_gap_s = max(run.longest_gap_s, gap)
        if run.phase == DrillPhase.OPENED:
            run.driven_until, count = now, 0
        else:
            rate = ledger.terms_of(run).rate_per_s
            count, run.driven_until = progress.due_load(
                driven_until=run.driven_until, load_until=run.load_until, rate_per_s=rate, now=now
            )
            run.refused += count - _send(run, count, now=now)
        run.save(update_fields=["driven_until", "longest_gap_s", "refused"])
    return count


def _send(run: DrillRun, count: int, *, now: datetime) -> int:
    """Sends ``count`` messages; returns how many were accepted: all, or none where the platform takes no more."""
    if not count or run.closes_at is None:
        return 0
    order = Order(
        channels=run.channels,
        route=Route.FIRST if len(run.channels) > 1 else Route.ALL,
        content={"subject": "Drill", "text": "A message of a drill. Nobody gets it."},
        priority=PRIORITY,
        category="drill",
        expires_at=run.closes_at - _TIME_TO_END,
        metadata={"drill": str(run.pk)},
    )
    try:
        with transaction.atomic():
            accepted = submission.accept_batch(
                key=key(),
                order=order,
                recipients=recipients(count),
                on_invalid="reject",
                request_id=f"drill-{run.pk}",
                now=now,
                label=lambda index: f"recipients[{index}]",
            )
    except NotifyError as error:
        logger.warning("a drill's load was refused: %s", error, extra={"drill": str(run.pk)})
        return 0
    return accepted.accepted


def recipients(count: int) -> Iterator[Recipient]:
    """So many, none of whom is anybody."""
    for number in range(count):
        place = _FIRST_NUMBER + number % _PEOPLE
        yield Recipient(to={name: pattern.format(place) for name, pattern in _NOBODY.items()})
