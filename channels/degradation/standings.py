"""Where standings are kept: PostgreSQL, so that they survive a Redis that is wiped and a restart of everything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from channels.degradation.standing import ChannelStanding, ProviderStanding, Transition
from channels.models import DegradationEvent, Standing
from channels.names import is_staged

#: One engine decides at a time (any number that nobody else takes): the same for every process.
_ENGINE_LOCK = 7_104_715_271
_PORTION: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """What is stored, by name. Who is missing is well."""

    channels: Mapping[str, ChannelStanding] = field(default_factory=dict)
    providers: Mapping[str, ProviderStanding] = field(default_factory=dict)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is known against anybody."""
        return all(one.at_rest for one in self.channels.values()) and all(
            one.at_rest for one in self.providers.values()
        )


def parse(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Standings:
    """Standings from rows of target and data."""
    channels, providers = {}, {}
    for target, data in rows:
        kind, _, name = target.partition(":")
        if kind == "channel":
            channels[name] = ChannelStanding.from_json(data)
        else:
            providers[name] = ProviderStanding.from_json(data)
    return Standings(channels=channels, providers=providers)


def read() -> Standings:
    """All standings, but for those on the stage of a drill."""
    found = read_all()
    return Standings(
        channels={name: one for name, one in found.channels.items() if not is_staged(name)},
        providers={name: one for name, one in found.providers.items() if not is_staged(name)},
    )


def read_all() -> Standings:
    """All standings, those on the stage too."""
    return parse(Standing.objects.values_list("target", "data"))


def lock(targets: Collection[str] | None = None) -> Standings:
    """Standings, those of ``targets`` or all, locked until the end of the transaction."""
    rows = Standing.objects.select_for_update().order_by("target")
    if targets is not None:
        rows = rows.filter(target__in=targets)
    return parse(rows.values_list("target", "data"))


def be_the_one() -> bool:
    """Whether this transaction is the only one that decides now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ENGINE_LOCK])
        return bool(cursor.fetchone()[0])


def write(*, standings: Mapping[str, ProviderStanding | ChannelStanding], gone: Collection[str] = ()) -> None:
    """Stores ``standings`` by target, and forgets those of ``gone``."""
    Standing.objects.bulk_create(
        [Standing(target=target, data=standing.as_json()) for target, standing in sorted(standings.items())],
        update_conflicts=True,
        unique_fields=["target"],
        update_fields=["data", "updated_at"],
    )
    if gone:
        Standing.objects.filter(target__in=gone).delete()


def forget_past(*, now: datetime) -> int:
    """Removes events that are past keeping, in small portions; returns how many there were."""
    oldest, removed = now - timedelta(days=settings.CHANNELS["DEGRADATIONS_KEPT_DAYS"]), 0
    while True:
        ids = list(
            DegradationEvent.objects.filter(at__lt=oldest).order_by("at").values_list("pk", flat=True)[:_PORTION]
        )
        if not ids:
            return removed
        removed += DegradationEvent.objects.filter(pk__in=ids).delete()[0]


def log(transitions: Iterable[Transition]) -> None:
    """Writes what changed into the history."""
    DegradationEvent.objects.bulk_create(
        [
            DegradationEvent(
                target=one.target,
                before=one.before,
                after=one.after,
                share_before=one.share_before,
                share_after=one.share_after,
                reason=one.reason,
                figures=one.as_json()["figures"],
                source=one.source,
                at=one.at,
            )
            for one in transitions
        ]
    )
