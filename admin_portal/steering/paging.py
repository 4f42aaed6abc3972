"""Calls the approvers: by the platform's own channels, but by none that the request is about or that is not well.

A call is written down in the verb's own transaction, and sent afterwards: what can't be sent never stands in the way of
a decision, and is tried again until it is sent or no longer true. Whoever is signed in sees it on the page anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from admin_portal.models import DegradationRequest, PlanRun, Summons
from admin_portal.models.requests import Occasion, Review
from admin_portal.steering import approval, pager, people, subjects, surroundings
from admin_portal.steering.actions import Action, Setup, TargetKind
from admin_portal.steering.subjects import Row
from channels import gateway
from notify import submission
from notify.databases import apart
from notify.errors import NotifyError
from notify.orders import Order, Recipient

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 100
_LONGEST_WAIT: Final = timedelta(minutes=5)


class NoWayToTell(NotifyError):
    """No channel is left by which this person can be told."""


def call(row: Row, *, occasion: Occasion, now: datetime) -> None:
    """Writes down that everybody who may decide on ``row`` is to be called, and the webhook if there is one. In the
    caller's transaction; a second time changes nothing."""
    concerned = frozenset(pk for pk in (row.requested_by_id, row.broken_by_id) if pk is not None)
    called = [one.pk for one in people.approvers(without=concerned)]
    rows = [_summons(row, occasion, pk, now) for pk in called]
    if settings.PAGER["WEBHOOK_URL"]:
        rows.append(_summons(row, occasion, None, now))
    Summons.objects.bulk_create(rows, ignore_conflicts=True)


def _summons(row: Row, occasion: Occasion, person: int | None, now: datetime) -> Summons:
    summons = Summons(occasion=occasion, person_id=person, created_at=now, try_at=now)
    if isinstance(row, PlanRun):
        summons.run, summons.version = row, 1
    else:
        summons.request, summons.version = row, row.version
    return summons


def run_due(*, now: datetime) -> int:
    """Sends the calls that are due, and calls about reviews that nobody has made in time; returns how many calls were
    settled. Idempotent: a call is locked while it is sent, and its notification is stored together with that."""
    for row in _overdue(now):
        with apart("paging: overdue reviews", log=logger), transaction.atomic():
            call(row, occasion=Occasion.OVERDUE, now=now)
    due = Summons.objects.filter(settled_at=None, try_at__lte=now).order_by("try_at")
    settled = 0
    for pk in due.values_list("pk", flat=True)[:_AT_ONCE]:
        with apart("paging", log=logger), transaction.atomic():
            settled += _settle(pk, now=now)
    return settled


def _overdue(now: datetime) -> Iterator[Row]:
    """What nobody has reviewed in time, and nobody was called about yet."""
    for model in (DegradationRequest, PlanRun):
        late = model.objects.filter(review=Review.DUE, review_due_at__lte=now)
        yield from late.exclude(summonses__occasion=Occasion.OVERDUE)


def _settle(pk: UUID, *, now: datetime) -> bool:
    rows = Summons.objects.select_for_update(skip_locked=True, of=("self",))
    rows = rows.select_related("request", "run__plan", "run__version", "person")
    summons = rows.filter(pk=pk, settled_at=None).first()
    if summons is None:
        return False
    if subjects.is_true(summons):
        try:
            with transaction.atomic():
                summons.notification_id = _send(summons, now=now)
        except NotifyError as error:
            summons.tries += 1
            summons.error = f"{error.code}: {error.detail}"
            summons.try_at = now + min(timedelta(seconds=2**summons.tries), _LONGEST_WAIT)
            summons.save()
            logger.warning("an approver could not be called: %s", summons.error, extra=_about(summons))
            return False
        summons.error = ""
    summons.settled_at = now
    summons.save()
    return True


def _about(summons: Summons) -> dict[str, int | None]:
    return {"request": summons.request_id} if summons.run_id is None else {"run": summons.run_id}


def _send(summons: Summons, *, now: datetime) -> UUID:
    """The notification that calls. Raises NotifyError, NoWayToTell when no channel is left."""
    actions, setup = subjects.read(summons).actions, surroundings.read(now=now)
    channels, to = _ways(summons, without=frozenset().union(*(touched(one, setup=setup) for one in actions)))
    if not channels:
        raise NoWayToTell(_("No channel is left that is well and has an address."))
    key = pager.key()
    order = Order(
        channels=channels,
        route="all",
        template=pager.publish(summons.occasion, application=key.application, now=now),
        locale=pager.locale(),
        params=pager.params(summons),
        # Calls are critical, unless it is critical messages that are to be held back.
        priority="normal" if f"{TargetKind.PRIORITY}:critical" in {one.target for one in actions} else "critical",
        category=pager.category_for(actions),
        ttl_s=round(approval.APPROVAL_WAIT.total_seconds()),
    )
    recipient = Recipient(to=to)
    accepted = submission.accept(key=key, order=order, recipient=recipient, request_id=f"pager-{summons.pk}", now=now)
    return accepted.notification.id


def touched(action: Action, *, setup: Setup) -> frozenset[str]:
    """The channels that a call about ``action`` must not depend on: its own, and those that are not well."""
    own = {action.channel}
    if action.target_kind == TargetKind.CHANNEL:
        own.add(action.target_name)
    elif action.target_name in setup.providers and action.target_kind == TargetKind.PROVIDER:
        own.add(setup.providers[action.target_name].channel)
    return frozenset(own | set(setup.impaired)) - {""}


def _ways(summons: Summons, *, without: frozenset[str]) -> tuple[list[str], dict[str, str]]:
    """The channels to call over, and the addresses there."""
    person = summons.person
    if person is None:
        addresses = {"webhook": ("url", settings.PAGER["WEBHOOK_URL"])}
    else:
        addresses = {"inapp": ("user_id", person.username), "email": ("email", person.email)}
    found = {
        channel: (name, address)
        for channel, (name, address) in addresses.items()
        if address and channel not in without and gateway.is_usable(channel)
    }
    return list(found), dict(found.values())
