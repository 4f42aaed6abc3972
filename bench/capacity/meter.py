"""What a piece of work costs: processors, write-ahead log, transactions, commands."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import redis

from bench.capacity.costs import Disk, Spent
from bench.rig import Rig

_PAGE: Final = 8192
_STRETCH: Final = 2**20


@contextmanager
def metered(rig: Rig, *, process: str, messages: int | None = None) -> Iterator[list[Spent]]:
    """Puts what the work meanwhile cost into the list, for each of ``messages``; without, of as many as notifications
    came. The bench's own looks are in it."""
    found: list[Spent] = []
    with rig.database() as cursor, redis.Redis.from_url(rig.redis_url) as client:
        before = _read(rig, process, cursor, client)
        yield found
        after = _read(rig, process, cursor, client)
        if messages is None:
            cursor.execute("SELECT count(*) FROM notify_notification")
            (messages,) = cursor.fetchone()
    assert messages, "nothing was done"
    found.append(Spent(**{name: (after[name] - before[name]) / messages for name in before}))


def _read(rig: Rig, process: str, cursor: Any, client: redis.Redis) -> dict[str, float]:
    cursor.execute(
        # Transactions that write, by their numbers: pg_stat_database hears of them seconds later.
        "SELECT (pg_current_wal_insert_lsn() - '0/0')::float, pg_snapshot_xmax(pg_current_snapshot())::text::float"
    )
    wal_bytes, transactions = cursor.fetchone()
    commands = float(client.info("stats")["total_commands_processed"])
    return {
        **_processors(rig, process),
        "wal_bytes": wal_bytes,
        "transactions": transactions,
        "commands": commands,
    }


def _processors(rig: Rig, process: str) -> dict[str, float]:
    names = {"process_s": process, "database_s": "postgres", "broker_s": "valkey"}
    return {key: sum(_used_s(one) for one in rig.family(name)) for key, name in names.items()}


def _used_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        used = process.cpu_times()
        ended: float = used.children_user + used.children_system
        return used.user + used.system + ended
    return 0.0


def disk(folder: Path, *, seconds: float) -> Disk:
    """What the disk under ``folder`` does: pages flushed one after the other, and bytes in long stretches."""
    path = folder / "flushes"
    try:
        return Disk(
            flushes_per_second=_flushes(path, _PAGE, seconds),
            bytes_per_second=_flushes(path, _STRETCH, seconds) * _STRETCH,
        )
    finally:
        path.unlink(missing_ok=True)


def _flushes(path: Path, size: int, seconds: float) -> float:
    block, count = os.urandom(size), 0
    # As the log's segments: the file is there already, and written over.
    path.write_bytes(bytes(16 * _STRETCH))
    with path.open("r+b", buffering=0) as file:
        os.fsync(file.fileno())
        began = time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            if file.tell() + size > 16 * _STRETCH:
                file.seek(0)
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    return count / took
