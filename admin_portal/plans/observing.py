"""Reads what conditions look at: lanes from the database, quality from what all processes counted, standings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from admin_portal.plans.conditions import Condition, Metric, Observations
from channels import quality
from channels.degradation import standings
from channels.degradation.standings import Standings
from channels.models import Provider
from channels.names import PRIORITIES, lane_name, staged
from channels.quality.reading import Span
from notify import queries

#: Quality is that of the last half minute: a step that waits for it must not wait for the past to be forgotten.
_SPAN: Final = Span(window_s=30.0)
_OF_LANES: Final = frozenset({Metric.DEPTH, Metric.OLDEST_AGE})
_OF_QUALITY: Final = frozenset({Metric.SUCCESS_RATE, Metric.P95})


def read(wanted: Iterable[Condition], *, now: datetime, on_stage: bool = False) -> Observations:
    """What ``wanted`` look at, as far as it is known: nothing is asked that none of them needs. ``on_stage``: quality
    and states are those of a drill's stage; lanes are the same there."""
    keys = {one.looks_at for one in wanted}
    return {
        **dict.fromkeys(keys),
        **_lanes([key for key in keys if key[0] in _OF_LANES], now),
        **_quality([key for key in keys if key[0] in _OF_QUALITY], now, on_stage),
        **_states([key for key in keys if key[0] is Metric.STATE], on_stage),
    }


def _lanes(keys: Sequence[tuple[Metric, str]], now: datetime) -> dict[tuple[Metric, str], float | str]:
    if not keys:
        return {}
    wanted = {target: _lanes_of(target) for _metric, target in keys}
    names = sorted({lane for lanes in wanted.values() for lane in lanes})
    depths = {one.name: one for one in queries.lane_depths(now=now, lanes=names)}
    found: dict[tuple[Metric, str], float | str] = {}
    for metric, target in keys:
        lanes = [depths[name] for name in wanted[target]]
        depth, age = sum(one.depth for one in lanes), max(one.oldest_age_s for one in lanes)
        found[metric, target] = float(depth) if metric is Metric.DEPTH else age
    return found


def _lanes_of(target: str) -> list[str]:
    kind, _colon, name = target.partition(":")
    return [name] if kind == "lane" else [lane_name(name, priority) for priority in PRIORITIES]


def _quality(
    keys: Sequence[tuple[Metric, str]], now: datetime, on_stage: bool
) -> dict[tuple[Metric, str], float | str]:
    if not keys:
        return {}
    channels: dict[str, list[str]] = {}
    for name, channel in Provider.objects.filter(enabled=True).values_list("name", "channel"):
        channels.setdefault(channel, []).append(name)
    reading = quality.read(spans=[_SPAN], now=now)
    found: dict[tuple[Metric, str], float | str] = {}
    for metric, target in keys:
        kind, _colon, name = target.partition(":")
        names = [name] if kind == "provider" else channels.get(name, [])
        figures = reading.figures(*(staged(one) if on_stage else one for one in names), span=_SPAN)
        if metric is Metric.SUCCESS_RATE and figures.samples:
            found[metric, target] = 1.0 - figures.error_rate
        elif metric is Metric.P95 and figures.p95_ms is not None:
            found[metric, target] = figures.p95_ms
    return found


def _states(keys: Sequence[tuple[Metric, str]], on_stage: bool) -> dict[tuple[Metric, str], float | str]:
    if not keys:
        return {}
    stored = standings.read_all()
    enabled = dict(Provider.objects.values_list("name", "enabled"))
    return {(metric, target): _state(target, stored, enabled, on_stage) for metric, target in keys}


def _state(target: str, stored: Standings, enabled: dict[str, bool], on_stage: bool) -> str:
    kind, _colon, name = target.partition(":")
    played = staged(name) if on_stage else name
    if kind == "channel":
        channel = stored.channels.get(played)
        return "normal" if channel is None else channel.state.value
    provider = stored.providers.get(played)
    if provider is not None:
        return provider.state.value
    return "healthy" if enabled.get(name, True) else "disabled"
