"""The last hour's traffic, as far as it helps to foresee what an action would do: what each provider carried, and which
kinds of messages there were and where else they could have gone.

Providers' figures come from their minutes (``ProviderMinute``), kinds of messages from a sample: the latest messages,
and apart from them the latest critical ones, which may be rare. Both are bounded, however much traffic there is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from channels.histogram import Histogram
from channels.models import Provider, ProviderMinute
from channels.names import ADDRESS_FIELDS, CHANNELS, lane_name
from notify.ids import floor_id, id_time
from notify.models import Delivery, DeliveryKind, Notification, Route

SPAN: Final = timedelta(hours=1)
_SAMPLE: Final = 2000
_PERIODS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_CRITICAL: Final = tuple(lane_name(channel, "critical") for channel in CHANNELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a provider carried, a second, on average and in its busiest minute, and what it could carry at most by its
    rate limit and its concurrency at the latency it had; None: nothing says so."""

    per_s: float = 0.0
    peak_per_s: float = 0.0
    capacity_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Messages of one kind: how many a second there were, to which channels their route leads next, and on which other
    channels their recipients have an address."""

    channel: str
    priority: str
    category: str = ""
    application: str = ""
    later: tuple[str, ...] = ()
    reachable: frozenset[str] = frozenset()
    per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """An hour of it. ``sampled``: how many messages were looked at."""

    flows: Mapping[str, Flow] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    sampled: int = 0


def read(*, now: datetime) -> Traffic:
    """The hour before ``now``: five bounded queries."""
    flows = _flows(now)
    latest, critical = _sample(now), _sample(now, lanes=_CRITICAL)
    groups = [*_groups(one for one in latest if one[2] not in _CRITICAL), *_groups(critical)]
    return Traffic(flows=flows, groups=groups, sampled=len({row[0] for row in (*latest, *critical)}))


def _flows(now: datetime) -> dict[str, Flow]:
    tries: Counter[str] = Counter()
    peaks: Counter[str] = Counter()
    latencies: dict[str, list[bytes]] = defaultdict(list)
    minutes = ProviderMinute.objects.filter(minute__gt=now - SPAN, minute__lte=now)
    for name, count, packed in minutes.values_list("provider", "tries", "latency_ms"):
        tries[name] += count
        peaks[name] = max(peaks[name], count)
        latencies[name].append(bytes(packed))
    rows = Provider.objects.values_list("name", "rate_limit", "max_concurrency")
    return {
        name: Flow(
            per_s=tries[name] / SPAN.total_seconds(),
            peak_per_s=peaks[name] / 60,
            capacity_per_s=capacity(rate, concurrency, Histogram.unpack(*latencies[name]).quantile(0.5)),
        )
        for name, rate, concurrency in rows
    }


def capacity(rate_limit: str, concurrency: int, latency_ms: float | None) -> float | None:
    """How many messages a second a provider can take: by its rate limit (``200/s``; empty: none), and by so many calls
    at once that take ``latency_ms`` each (None: not known). None: neither says so."""
    bounds = []
    if rate_limit:
        amount, _slash, unit = rate_limit.partition("/")
        bounds.append(int(amount) / _PERIODS[unit])
    if latency_ms:
        bounds.append(concurrency * 1000 / latency_ms)
    return min(bounds, default=None)


Row = tuple[UUID, UUID, str, str, str]


def _sample(now: datetime, *, lanes: Sequence[str] = ()) -> list[Row]:
    """The latest messages of the hour, those of ``lanes`` or all."""
    rows = Delivery.objects.filter(
        id__gte=floor_id(now - SPAN), id__lt=floor_id(now), kind=DeliveryKind.MESSAGE, is_test=False
    )
    if lanes:
        rows = rows.filter(lane__in=lanes)
    found = rows.order_by("-id").values_list("id", "notification_id", "lane", "channel", "application__name")
    return list(found[:_SAMPLE])


def _groups(rows: Iterable[Row]) -> list[Group]:
    """``rows`` by kind, each with its rate over the time that they cover."""
    sample = list(rows)
    if not sample:
        return []
    ids = {row[1] for row in sample}
    # The least id tells PostgreSQL which days' partitions to leave alone.
    notifications = Notification.objects.filter(id__in=ids, id__gte=min(ids))
    known = {one["id"]: one for one in notifications.values("id", "priority", "category", "route", "channels", "to")}
    counts: Counter[Group] = Counter()
    for _id, notification_id, _lane, channel, application in sample:
        facts = known.get(notification_id)
        if facts is not None:
            counts[_group(channel, application, facts)] += 1
    span_s = _span_s(sample)
    return [replace(group, per_s=count / span_s) for group, count in counts.items()]


def _span_s(sample: Sequence[Row]) -> float:
    """The seconds that a sample covers: the whole hour, if nothing was left out."""
    if len(sample) < _SAMPLE // 2:
        return SPAN.total_seconds()
    covered = id_time(sample[0][0]) - id_time(sample[-1][0])
    return max(covered.total_seconds(), 1.0)


def _group(channel: str, application: str, facts: Mapping[str, Any]) -> Group:
    channels = list(facts["channels"])
    later: Sequence[str] = ()
    if facts["route"] == Route.FIRST and channel in channels:
        later = [name for name in channels[channels.index(channel) + 1 :] if facts["to"].get(ADDRESS_FIELDS[name])]
    elsewhere = (name for name in CHANNELS if name not in channels and facts["to"].get(ADDRESS_FIELDS[name]))
    return Group(
        channel=channel,
        priority=facts["priority"],
        category=facts["category"],
        application=application,
        later=tuple(later),
        reachable=frozenset(elsewhere),
    )
