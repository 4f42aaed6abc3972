"""Figures that are states, not events, read from PostgreSQL when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitoring.readings import Readings, reader
from notify import saturation

_DATABASE_UP: Final = ("goutong_database_up", "Whether PostgreSQL answers")


class DatabaseCollector(Collector):
    """Lane depth and age, and open dead letters. When the database is away, nothing but ``goutong_database_up 0`` and
    what settings say."""

    def collect(self) -> Iterable[Metric]:
        yield from _limits()
        read = reader.current()
        yield GaugeMetricFamily(*_DATABASE_UP, value=int(read is not None))
        if read is not None:
            yield from _families(read)


def _limits() -> Iterable[Metric]:
    soft = GaugeMetricFamily("goutong_lane_soft_limit", "Depth from which a lane is slowed", labels=("lane",))
    hard = GaugeMetricFamily("goutong_lane_hard_limit", "Depth from which a lane refuses", labels=("lane",))
    for lane, limits in saturation.all_limits().items():
        soft.add_metric((lane,), limits.soft)
        hard.add_metric((lane,), limits.hard)
    return soft, hard


def _families(read: Readings) -> Iterable[Metric]:
    if read.lanes is not None:
        depth = GaugeMetricFamily("goutong_lane_depth", "Deliveries due in a lane", labels=("lane",))
        age = GaugeMetricFamily(
            "goutong_lane_oldest_age_seconds", "How long the first of them has been due", labels=("lane",)
        )
        stalled = GaugeMetricFamily(
            "goutong_lane_stalled", "Whether a lane holds due work and nobody works on it", labels=("lane",)
        )
        for lane in read.lanes:
            depth.add_metric((lane.name,), lane.depth)
            age.add_metric((lane.name,), lane.oldest_age_s)
            stalled.add_metric((lane.name,), int(lane.stalled))
        yield from (depth, age, stalled)
    if read.dead_letters is not None:
        dead = GaugeMetricFamily("goutong_dead_letters_open", "Dead letters nobody has dealt with", labels=("channel",))
        for channel, count in read.dead_letters.items():
            dead.add_metric((channel,), count)
        yield dead
