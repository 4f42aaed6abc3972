"""Dead letters as they are read: pages of them, and the attempts that led there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify.ids import since_id
from notify.kinds import of_kind, with_kind
from notify.models import Application, Attempt, DeadLetter
from notify.queries import Page, created_between, edge_of, page


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterQuery:
    """Which dead letters are meant."""

    state: str
    channel: str | None = None
    reason: str | None = None
    provider: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_test: bool | None = None


def list_dead_letters(
    *, application: Application, where: DeadLetterQuery, before: UUID | None, limit: int
) -> Page[DeadLetter]:
    """A page of the dead letters of ``application``, newest first, with ids smaller than ``before``, each with
    ``is_test``. One query; two where ``is_test`` is asked for, and then at most WINDOW are looked at."""
    rows = DeadLetter.objects.filter(
        created_between(where.created_after, where.created_before), application=application, state=where.state
    )
    for name in ("channel", "reason", "provider"):
        value = getattr(where, name)
        if value is not None:
            rows = rows.filter(**{name: value})
    if before is not None:
        rows = rows.filter(id__lt=before)
    rows = rows.order_by("-id")
    if where.is_test is None:
        return page(with_kind(rows), limit=limit)
    return page(of_kind(rows, is_test=where.is_test), limit=limit, edge=edge_of(rows))


def attempts_of(dead_letters: Sequence[DeadLetter]) -> dict[UUID, list[Attempt]]:
    """The attempts of the delivery in each of ``dead_letters``, by the delivery's id, oldest first. One query."""
    found: dict[UUID, list[Attempt]] = {letter.delivery_id: [] for letter in dead_letters}
    if not found:
        return found
    notifications = {letter.notification_id for letter in dead_letters}
    rows = Attempt.objects.filter(
        notification_id__in=notifications, id__gte=since_id(min(notifications)), delivery_id__in=list(found)
    )
    for attempt in rows.order_by("id"):
        found[attempt.delivery_id].append(attempt)
    return found
