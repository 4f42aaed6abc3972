"""Open dead letters in groups: what has one cause is decided on together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.db.models import Count

from admin_portal.desk.selection import NOBODY
from notify.models import Application, DeadLetter
from notify.models.dead_letter import DeadLetterState

SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many dead letters with one reason, last provider, channel and application."""

    reason: str
    provider: str
    channel: str
    application_id: int
    application: str
    count: int
    share: int

    @property
    def query(self) -> str:
        """What shows just these in the list."""
        return urlencode(
            {
                "reason": self.reason,
                "provider": self.provider or NOBODY,
                "channel": self.channel,
                "application": self.application_id,
            }
        )


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups; ``more``: there are others."""

    groups: list[Group]
    more: bool


def open_groups() -> Groups:
    """All open dead letters, SHOWN groups at most, the largest first. Two queries."""
    rows = (
        DeadLetter.objects.filter(state=DeadLetterState.OPEN)
        .values_list("reason", "provider", "channel", "application_id")
        .annotate(count=Count("id"))
        .order_by("-count", "reason", "provider", "channel", "application_id")
    )
    found = list(rows[: SHOWN + 1])
    names = dict(Application.objects.values_list("pk", "name"))
    largest = max((count for *_group, count in found), default=1)
    groups = [
        Group(
            reason=reason,
            provider=provider,
            channel=channel,
            application_id=application,
            application=names.get(application, "–"),
            count=count,
            share=round(100 * count / largest),
        )
        for reason, provider, channel, application, count in found[:SHOWN]
    ]
    return Groups(groups, more=len(found) > SHOWN)
