"""Minutes, from Redis into the table.

A minute's totals only ever grow, so whoever has seen more of it is right: rolling up again, late or by several at once
changes nothing. A minute that shrank (Redis forgot it, and a process that knew its part has ended) stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connections, router, transaction
from psycopg2.extras import execute_values

from channels.models import ProviderMinute
from channels.quality.ledger import MINUTE_S, Ledger
from channels.quality.store import Store, Tallies

KEPT_DAYS: Final = 400
_PORTION: Final = 5000
_COLUMNS: Final = (
    *("provider", "minute", "channel", "tries", "successes", "provider_faults", "timeouts", "recipient_faults"),
    *("throttled", "errors", "latency_ms", "receipts_due", "receipts_come", "receipts_failed", "receipt_delay_s"),
)
#: Which of two versions stands is decided where the row is locked: the ORM has no condition on what it overwrites.
_UPSERT: Final = f"""
INSERT INTO channels_providerminute AS old ({", ".join(_COLUMNS)}) VALUES %s
ON CONFLICT (provider, minute) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
WHERE (excluded.tries, excluded.receipts_come) > (old.tries, old.receipts_come)
"""  # noqa: S608  (names of columns, which are ours)


def roll_up(*, store: Store, ledger: Ledger, now: datetime) -> int:
    """Writes every minute in which something is new, the present one too; returns how many rows it looked at. Nothing
    is lost when it is late, or when Redis is away: what is not in the table yet is kept for a day."""
    server_now = ledger.server_time(now.timestamp())
    rows = list(_rows(store.changed_minutes()))
    if rows:
        connection = connections[router.db_for_write(ProviderMinute)]
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            execute_values(cursor.cursor, _UPSERT, rows, page_size=_PORTION)
    store.settle_minutes(server_now=server_now)
    return len(rows)


def _rows(minutes: Tallies) -> Iterator[tuple[Any, ...]]:
    """In one order, whoever writes them: two writers never wait for each other."""
    for minute, tallies in sorted(minutes.items()):
        at = datetime.fromtimestamp(minute * MINUTE_S, UTC)
        for provider, tally in sorted(tallies.items()):
            yield (
                *(provider[:64], at, tally.channel[:16], tally.tries, tally.successes, tally.provider_faults),
                *(tally.timeouts, tally.recipient_faults, tally.throttled, json.dumps(tally.errors)),
                *(tally.latency_ms.pack(), tally.awaited, tally.come, tally.undelivered, tally.delay_s.pack()),
            )


def forget_past(*, now: datetime) -> int:
    """Removes minutes that are past keeping, in small portions; returns how many there were."""
    oldest, removed = now - timedelta(days=KEPT_DAYS), 0
    while True:
        keys = list(
            ProviderMinute.objects.filter(minute__lt=oldest).order_by("minute").values_list("pk", flat=True)[:_PORTION]
        )
        if not keys:
            return removed
        removed += ProviderMinute.objects.filter(pk__in=keys).delete()[0]
