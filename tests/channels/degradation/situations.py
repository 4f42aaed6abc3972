"""Figures and standings for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.degradation.handing_back import Pinned, PinnedChannel
from channels.degradation.policy import Subject, decide
from channels.degradation.standing import ChannelStanding, ProviderStanding, ProviderState, Verdict
from channels.degradation.thresholds import DEFAULTS, Thresholds
from channels.figures import Figures

T0 = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

WELL = Figures(tries=200, successes=200, p95_ms=300.0)
BROWN = Figures(tries=200, successes=140, provider_faults=60, p95_ms=300.0)  # 30% errors
BAD = Figures(tries=200, successes=80, provider_faults=120, p95_ms=300.0)  # 60%
DEAD = Figures(tries=200, successes=2, provider_faults=198)
NOTHING = Figures()


def at(seconds: float) -> datetime:
    """So many seconds into the test."""
    return T0 + timedelta(seconds=seconds)


def healthy(since: float = -3600, **changes: Any) -> ProviderStanding:
    """A provider that has been well for an hour."""
    return standing(ProviderState.HEALTHY, 1.0, since, **changes)


def standing(state: ProviderState, share: float, since: float, **changes: Any) -> ProviderStanding:
    """A provider in ``state`` since then."""
    fields: dict[str, Any] = {"state": state, "share": share, "since": at(since), "changed_at": at(since), **changes}
    return ProviderStanding(**fields)


def judge(
    figures: Mapping[str, Figures],
    providers: Mapping[str, ProviderStanding],
    *,
    now: float = 0,
    channel: ChannelStanding | None = None,
    weights: Mapping[str, float] | None = None,
    enabled: Mapping[str, bool] | None = None,
    thresholds: Thresholds = DEFAULTS,
    fallback_usable: bool = False,
    pinned: Mapping[str, Pinned] | None = None,
    pinned_channel: PinnedChannel | None = None,
) -> Verdict:
    """One decision about the channel ``sms`` and the providers in ``figures``."""
    return decide(
        channel="sms",
        standing=channel,
        providers=providers,
        subjects=[
            Subject(
                name=name,
                weight=(weights or {}).get(name, 50),
                figures=seen,
                flow=seen.successes / seen.window_s,
                enabled=(enabled or {}).get(name, True),
                thresholds=thresholds,
                pinned=(pinned or {}).get(name),
            )
            for name, seen in figures.items()
        ],
        now=at(now),
        thresholds=thresholds,
        fallback_usable=fallback_usable,
        pinned=pinned_channel,
    )
