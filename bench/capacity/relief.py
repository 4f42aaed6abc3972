"""What takes over where something gives way: a sentence for each kind of need. More of it in docs/capacity.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.capacity.plan import Need

_RELIEF: Final[Mapping[str, str]] = {
    "places": "the provider's `max_concurrency`, as far as its contract goes; then another provider of the channel",
    "workers": "more processes of the channel's worker, on any machine: they share its lanes",
    "web": "more web processes behind a load balancer; and batches, which cost a fraction of single requests",
    "cores": "a second machine: web and workers leave the database's",
    "connections": "PgBouncer between the processes and PostgreSQL",
    "database": "a larger server; then shards: stacks side by side, the applications divided among them",
    "log": "a faster disk for `pg_wal`; then shards: stacks side by side, the applications divided among them",
    "broker": "RabbitMQ for the doorbells, so that Valkey only counts; batches; then a Valkey for each shard",
}


def of(need: Need) -> str:
    """What takes over when this gives way."""
    return _RELIEF[need.kind.split()[0]]
