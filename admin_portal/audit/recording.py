"""Writes the audit: the only place that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from structlog.contextvars import get_contextvars

from admin_portal.audit import chain
from admin_portal.models import AuditEntry
from channels import acting

#: Who did what falls due by itself.
PLATFORM: Final = "goutong"
#: The advisory lock that the next link of the chain is forged under: "audi" in ASCII.
LOCK: Final = 0x61756469
_LENGTHS: Final = {field.name: field.max_length for field in AuditEntry._meta.concrete_fields}


def take_turn() -> None:
    """Waits until nobody else adds to the chain; nobody does until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def record(
    *,
    actor: str,
    origin: str = "",
    action: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    approved_by: Sequence[str] = (),
    now: datetime,
) -> AuditEntry:
    """Adds an entry, in the caller's transaction: change and entry are committed together or not at all.

    The chain is one, so from here to the caller's commit nobody else can add to it: call this last in a transaction,
    and take no lock afterwards. ``origin``: where the request in hand came from, or else the process. Secrets have no
    place in ``before`` and ``after``."""
    texts = {
        "actor": actor,
        "origin": origin or acting.current().origin or settings.PROCESS_NAME,
        "request_id": str(get_contextvars().get("request_id", "")),
        "action": action,
        "target": target,
    }
    content: dict[str, Any] = {
        **{name: chain.storable(text)[: _LENGTHS[name]] for name, text in texts.items()},
        "at": now,
        "before": None if before is None else chain.plain(before),
        "after": None if after is None else chain.plain(after),
        "reason": chain.storable(reason),
        "approved_by": [chain.storable(name) for name in approved_by],
    }
    with transaction.atomic():
        take_turn()
        # A statement of its own: it sees what the lock's last holder committed.
        last = AuditEntry.objects.order_by("-number").values_list("number", "hash").first()
        number, previous_hash = last or (0, chain.GENESIS)
        linked = chain.Content(number=number + 1, **content)
        return AuditEntry.objects.create(
            number=number + 1,
            **content,
            previous_hash=previous_hash,
            hash=chain.digest(linked, previous_hash=previous_hash),
        )
