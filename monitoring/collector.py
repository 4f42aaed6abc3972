"""Figures that are states, not events, read from PostgreSQL when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitoring.readings import Readings, reader

_DATABASE_UP: Final = ("goutong_database_up", "Whether PostgreSQL answers")


class DatabaseCollector(Collector):
    """Lane depth and age, and open dead letters; nothing but ``goutong_database_up 0`` when the database is away."""

    def collect(self) -> Iterable[Metric]:
        read = reader.current()
        yield GaugeMetricFamily(*_DATABASE_UP, value=int(read is not None))
        if read is not None:
            yield from _families(read)


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
