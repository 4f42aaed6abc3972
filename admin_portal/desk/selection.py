"""Which dead letters or held messages a decision is about: criteria that are frozen when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from admin_portal.models.desk import JobKind
from notify import held
from notify.held import HeldFilter
from notify.models import DeadLetter
from notify.models.dead_letter import DeadLetterState

#: The parameter of a list that means an empty provider: nobody was asked.
NOBODY: Final = "(none)"
#: What dead letters, and held messages, are chosen by: the parameters of their lists, and the columns.
DEAD_LETTER_CRITERIA: Final = {
    "channel": "channel",
    "reason": "reason",
    "provider": "provider",
    "application": "application_id",
}
HELD_CRITERIA: Final = {
    "channel": "channel",
    "provider": "provider",
    "error_code": "error_code",
    "application": "application_id",
}
DEAD_LETTER_KINDS: Final = frozenset({JobKind.REPLAY, JobKind.DISCARD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``criteria``: values by name (an empty provider is a value: nobody was asked). ``before``: since when they lie
    there."""

    criteria: Mapping[str, Any]
    before: datetime

    def rows(self, kind: str) -> QuerySet[Any]:
        """What is meant and still undecided."""
        if kind in DEAD_LETTER_KINDS:
            columns = {DEAD_LETTER_CRITERIA[name]: value for name, value in self.criteria.items()}
            return DeadLetter.objects.filter(state=DeadLetterState.OPEN, created_at__lt=self.before, **columns)
        columns = {HELD_CRITERIA[name]: value for name, value in self.criteria.items()}
        return held.matching(HeldFilter(held_before=self.before, **columns))

    def ids_after(self, kind: str, last: UUID | None, *, at_most: int) -> list[UUID]:
        """The next of them in the order of their ids."""
        rows = self.rows(kind).order_by("id")
        if last is not None:
            rows = rows.filter(id__gt=last)
        return list(rows.values_list("id", flat=True)[:at_most])
