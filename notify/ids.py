"""UUIDv7: ids that carry their time, so that one column is key, order and partition (RFC 9562, section 5.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


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
