"""The overview: what waits, what went out in the last hour, what needs a person. Read once in a few seconds at most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, ClassVar, Final, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Avg, Count, Q
from django.db.models.functions import TruncMinute
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from channels.models import Provider
from channels.names import CHANNELS, split_lane
from notify import queries
from notify.ids import floor_id
from notify.models import Attempt, DeadLetter, Delivery, DeliveryKind, Notification
from notify.models.dead_letter import DeadLetterState

logger = logging.getLogger(__name__)

MINUTES: Final = 60
PROVIDER_WINDOW: Final = timedelta(minutes=15)
#: How long an answer of the database is good enough for everybody who looks.
MAX_AGE_S: Final = 5.0
#: How long the database may think about one of them, in milliseconds.
PATIENCE_MS: Final = 2000
#: Columns of the table by channel: states that tell a story together share one.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "waiting": ("scheduled", "queued", "sending"),
    "sent": ("sent",),
    "delivered": ("delivered",),
    "failed": ("failed", "expired"),
    "dead": ("dead",),
    "held": ("held",),
    "other": ("cancelled", "suppressed"),
}

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """One channel: what is due in its lanes now, and its deliveries of the last hour by state."""

    name: str
    depth: int
    capped: bool
    oldest_age_s: float
    lanes: tuple[queries.LaneDepth, ...]
    counts: Mapping[str, int]

    @property
    def late(self) -> bool:
        """Whether what is due has waited long enough to worry about."""
        return self.oldest_age_s > 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """One provider and what it did in the last quarter of an hour. Rates are None when it was not asked."""

    name: str
    pk: int
    channel: str
    adapter: str
    enabled: bool
    share: int | None
    tries: int = 0
    success_rate: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Accepted notifications, a minute each, as the points of an SVG polyline in a box of 240 by 48."""

    values: tuple[int, ...]

    WIDTH = 240
    HEIGHT = 48

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.values)

    @property
    def peak(self) -> int:
        """The busiest minute's."""
        return max(self.values, default=0)

    @property
    def points(self) -> str:
        """``0,48 4.1,40.2 …``"""
        step = self.WIDTH / max(len(self.values) - 1, 1)
        scale = (self.HEIGHT - 4) / max(self.peak, 1)
        return " ".join(f"{n * step:.1f},{self.HEIGHT - 2 - value * scale:.1f}" for n, value in enumerate(self.values))

    @property
    def area(self) -> str:
        """The same, closed along the bottom."""
        return f"0,{self.HEIGHT} {self.points} {self.WIDTH},{self.HEIGHT}"


class _Remembered:
    """The last answers of this process, by name."""

    values: ClassVar[dict[str, tuple[float, Any]]] = {}


def _remember(name: str, read: Callable[[], Value]) -> Value | None:
    """What ``read`` says, or said a moment ago; None when the database is too busy to say."""
    known = _Remembered.values.get(name)
    if known is not None and monotonic() - known[0] < MAX_AGE_S:
        remembered: Value | None = known[1]
        return remembered
    answer: Value | None = None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [PATIENCE_MS])
            answer = read()
    except OperationalError as error:
        logger.warning("overview: %s can't be read: %s", name, type(error).__name__)
    _Remembered.values[name] = (monotonic(), answer)
    return answer


def forget() -> None:
    """Makes the next look read the database."""
    _Remembered.values.clear()


# --- what is read -----------------------------------------------------------------------------------------------------


def channel_rows(*, now: datetime) -> list[ChannelRow]:
    """Every channel, with its lanes and its last hour."""
    since = now - timedelta(hours=1)
    counted: dict[str, dict[str, int]] = {}
    rows = Delivery.objects.filter(id__gte=floor_id(since), kind=DeliveryKind.MESSAGE)
    for channel, status, count in rows.values_list("channel", "status").annotate(Count("id")).order_by():
        counted.setdefault(channel, {})[status] = count
    depths = queries.lane_depths(now=now)
    return [_channel_row(name, depths, counted.get(name, {})) for name in CHANNELS]


def _channel_row(name: str, depths: Sequence[queries.LaneDepth], states: Mapping[str, int]) -> ChannelRow:
    lanes = tuple(depth for depth in depths if split_lane(depth.name)[0] == name)
    return ChannelRow(
        name=name,
        depth=sum(lane.depth for lane in lanes),
        capped=any(lane.capped for lane in lanes),
        oldest_age_s=max((lane.oldest_age_s for lane in lanes), default=0.0),
        lanes=lanes,
        counts={column: sum(states.get(state, 0) for state in group) for column, group in COLUMNS.items()},
    )


def accepted_by_minute(*, now: datetime) -> Sparkline:
    """Notifications accepted in each of the last MINUTES whole minutes, the oldest first."""
    this_minute = now.replace(second=0, microsecond=0)
    first = this_minute - timedelta(minutes=MINUTES)
    rows = (
        Notification.objects.filter(id__gte=floor_id(first), id__lt=floor_id(this_minute))
        .annotate(minute=TruncMinute("created_at"))
        .values_list("minute")
        .annotate(count=Count("id"))
        .order_by()
    )
    counted = {minute: count for minute, count in rows}
    return Sparkline(tuple(counted.get(first + timedelta(minutes=n), 0) for n in range(MINUTES)))


def open_dead_letters() -> dict[str, int]:
    """Open dead letters by channel, the most first."""
    rows = DeadLetter.objects.filter(state=DeadLetterState.OPEN).values_list("channel").annotate(count=Count("id"))
    return dict(rows.order_by("-count"))


def provider_rows(*, now: datetime) -> list[ProviderRow]:
    """Every provider, by channel, with its share of the channel's traffic and what it did lately."""
    providers = list(Provider.objects.defer("config").order_by("channel", "-weight", "name"))
    weights: dict[str, int] = {}
    for provider in providers:
        if provider.enabled:
            weights[provider.channel] = weights.get(provider.channel, 0) + provider.weight
    rows = (
        Attempt.objects.filter(id__gte=floor_id(now - PROVIDER_WINDOW))
        .values_list("provider")
        .annotate(tries=Count("id"), good=Count("id", filter=Q(outcome="sent")), latency=Avg("latency_ms"))
        .order_by()
    )
    lately = {name: (tries, good, latency) for name, tries, good, latency in rows}
    return [_provider_row(provider, weights, lately.get(provider.name)) for provider in providers]


def _provider_row(provider: Provider, weights: Mapping[str, int], lately: tuple[int, int, float] | None) -> ProviderRow:
    tries, good, latency = lately or (0, 0, 0.0)
    total = weights.get(provider.channel, 0)
    return ProviderRow(
        name=provider.name,
        pk=provider.pk,
        channel=provider.channel,
        adapter=provider.adapter,
        enabled=provider.enabled,
        share=round(100 * provider.weight / total) if provider.enabled and total else None,
        tries=tries,
        success_rate=100 * good / tries if tries else None,
        latency_ms=latency if tries else None,
    )


# --- what is shown ----------------------------------------------------------------------------------------------------


def extend_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the overview shows to this person: only what their permissions let them see elsewhere, too.

    django-unfold calls it by name (UNFOLD["DASHBOARD_CALLBACK"]).
    """
    now = timezone.now()
    may = request.user.has_perm
    board: dict[str, Any] = {"now": now, "minutes": MINUTES}
    if may("notify.view_notification"):
        board["channels"] = _remember("channels", lambda: channel_rows(now=now))
        board["accepted"] = _remember("accepted", lambda: accepted_by_minute(now=now))
        board["due"] = sum(row.depth for row in board["channels"] or ())
        board["late"] = any(row.late for row in board["channels"] or ())
        board["held"] = sum(row.counts["held"] for row in board["channels"] or ())
    if may("notify.view_deadletter"):
        board["dead"] = _remember("dead", open_dead_letters)
        board["dead_total"] = sum((board["dead"] or {}).values())
    if may("channels.view_provider"):
        board["providers"] = _remember("providers", lambda: provider_rows(now=now))
        board["providers_off"] = sum(not row.enabled for row in board["providers"] or ())
    return {**context, "board": board, "title": _("Overview"), "subtitle": None}
