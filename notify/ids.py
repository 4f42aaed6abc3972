"""UUIDv7: ids that carry their time, so that one column is key, order and partition (RFC 9562, section 5.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

#: How far two machines' clocks may be apart: ids that belong together may be out of order by this much.
CLOCK_MARGIN: Final = timedelta(hours=1)
_VERSION_AND_VARIANT: Final = (7 << 76) | (2 << 62)


def new_id() -> UUID:
    """A new id, later than every id this process made before."""
    return uuid7()


def floor_id(at: datetime) -> UUID:
    """The smallest UUIDv7 of the millisecond of ``at``: ids made before ``at`` are smaller, later ones are not. Before
    1970 there were none."""
    return UUID(int=(max(0, int(at.timestamp() * 1000)) << 80) | _VERSION_AND_VARIANT)


def id_time(identifier: UUID) -> datetime:
    """When ``identifier`` was made, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


def moved_id(identifier: UUID, *, by: timedelta) -> UUID:
    """The smallest id made ``by`` after ``identifier`` (or before it). Holds for whatever a client calls an id."""
    milliseconds = (identifier.int >> 80) + int(by.total_seconds() * 1000)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)


def since_id(identifier: UUID) -> UUID:
    """The id from which on to look for what came with or after ``identifier``, made by whichever machine."""
    return moved_id(identifier, by=-CLOCK_MARGIN)
