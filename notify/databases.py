"""When the database is away, as opposed to refusing what it was told."""

from __future__ import annotations

from typing import Final

from django.db import InterfaceError, InternalError, OperationalError

#: Gone, going, full, read-only (a fail-over under way) or too slow to answer: waiting helps against all of these.
DATABASE_AWAY: Final = (OperationalError, InterfaceError, InternalError)
