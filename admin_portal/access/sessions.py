"""Sessions of people: they end when nobody is there, after a day's work in any case, and when their owner says so.

Django's ``SESSION_ENGINE``: sessions in PostgreSQL, each with whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone

from admin_portal.models import PersonSession
from channels import acting

#: Keys of what a session remembers of itself. Times in seconds since 1970.
STARTED: Final = "started_at"
SEEN: Final = "seen_at"
ORIGIN: Final = "origin"
AGENT: Final = "agent"
#: That somebody is there is written down so often, and not with every click.
_NOTED_EVERY: Final = timedelta(minutes=1)

EndReason = Literal["idle", "too_long"]


class SessionStore(DatabaseStore):
    """Django's sessions in the database, in a table that says whose they are."""

    @classmethod
    def get_model_class(cls) -> Any:
        return PersonSession

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """The row of a session that holds ``data``."""
        row: Any = super().create_model_instance(data)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.origin, row.agent = str(data.get(ORIGIN, ""))[:64], str(data.get(AGENT, ""))[:200]
        row.started_at, row.seen_at = _moment(data.get(STARTED)), _moment(data.get(SEEN))
        return row


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def connect() -> None:
    """From now on, a session knows when it began, and where."""
    user_logged_in.connect(_begin, dispatch_uid="access.sessions.begin")


def _begin(request: HttpRequest, **_kwargs: Any) -> None:
    now, session = timezone.now(), request.session
    PersonSession.objects.filter(expire_date__lt=now).delete()  # few come in, so few pile up
    session[STARTED] = session[SEEN] = now.timestamp()
    session[ORIGIN] = acting.current().origin
    session[AGENT] = request.META.get("HTTP_USER_AGENT", "")[:200]


def end_reason(session: SessionBase, *, now: datetime) -> EndReason | None:
    """Why a session of somebody who is signed in is over; None while it is not."""
    started, seen = session.get(STARTED), session.get(SEEN)
    if started is None or seen is None:
        return None  # one that began before sessions knew: it gets its times with the next step
    if now.timestamp() - started > settings.SESSION_COOKIE_AGE:
        return "too_long"
    return "idle" if now.timestamp() - seen > settings.SESSION_IDLE_S else None


def note_presence(session: SessionBase, *, now: datetime) -> None:
    """Remembers that somebody is there."""
    session.setdefault(STARTED, now.timestamp())
    if now.timestamp() - session.get(SEEN, 0) >= _NOTED_EVERY.total_seconds():
        session[SEEN] = now.timestamp()


def sessions_of(user: User, *, now: datetime) -> Sequence[PersonSession]:
    """Where ``user`` is signed in, the latest first."""
    rows = PersonSession.objects.filter(user=user, expire_date__gt=now)
    idle_since = now - timedelta(seconds=settings.SESSION_IDLE_S)
    return list(rows.exclude(seen_at__lt=idle_since).order_by("-seen_at"))


def end_others(user: User, *, but: str | None) -> int:
    """Ends the sessions of ``user`` but the one whose key is ``but``; returns how many."""
    ended, _tables = PersonSession.objects.filter(user=user).exclude(session_key=but).delete()
    return ended
