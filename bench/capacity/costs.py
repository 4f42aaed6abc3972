"""What was measured of one message, as the plan uses it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.capacity.lane import Pace
from bench.report import Result


class Unmeasured(Exception):
    """A figure that the plan needs is in none of the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one message costs: seconds of the processors, of the process that handles it, of PostgreSQL's and of
    Valkey's; bytes of write-ahead log; transactions that write; commands to Valkey."""

    process_s: float
    database_s: float
    broker_s: float
    wal_bytes: float
    transactions: float
    commands: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What the database's disk writes, when it has to be there before it is answered."""

    flushes_per_second: float
    bytes_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of a notification accepted alone, of a batch's recipient, and of a delivery; bytes that one accepted and
    delivered leaves in the tables; how many deliveries a second one worker process does when each is a conversation
    over a socket; a worker's times; the disk."""

    single: Spent
    recipient: Spent
    delivery: Spent
    stored_bytes: float
    pace: Pace
    disk: Disk
    socket_per_second: float


def read(results: Sequence[Result]) -> Costs:
    """From the results of the measures ``capacity`` and ``smtp``. Raises Unmeasured when one is missing, or small."""
    by_measure = {result.measure: result for result in results if result.scale == 1}
    if missing := {"capacity", "smtp"} - set(by_measure):
        raise Unmeasured(f"not measured at full size yet: make bench BENCH={min(missing)}")
    data: Mapping[str, Any] = by_measure["capacity"].details["costs"]
    return Costs(
        **{name: Spent(**data[name]) for name in ("single", "recipient", "delivery")},
        stored_bytes=data["stored_bytes"],
        pace=Pace(**data["pace"]),
        disk=Disk(**data["disk"]),
        socket_per_second=by_measure["smtp"].figures[0].ours.median,
    )
