"""What is counted. Every process counts into files of its own (``slots``), and ``/metrics`` adds them up.

Import it only where something is counted: the first import claims a slot.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

from monitoring.slots import Slot

_log = logging.getLogger(__name__)

DIRECTORY: Final = Path(settings.METRICS_DIR)


def _use_files() -> bool:
    """Makes the metrics below keep their figures in files. prometheus_client decides that at its import, by an
    environment variable, and Flower's Celery command has imported it long before any settings are read."""
    try:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(DIRECTORY)
        values.ValueClass = values.MultiProcessValue(Slot(DIRECTORY))  # type: ignore[no-untyped-call]
    except OSError:
        _log.exception("no place for metrics: this process counts for itself alone")
        values.ValueClass = values.MutexValue
        return False
    return True


SHARED: Final = _use_files()
REGISTRY: Final = CollectorRegistry()

_HTTP_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ATTEMPT_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_AGE_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class BatchHistogram(Histogram):
    """A histogram that takes many observations at the price of a few."""

    def observe_many(self, amounts: Iterable[float]) -> None:
        """Observes each of ``amounts``, in seconds."""
        total = 0.0
        buckets: Tally[int] = Tally()
        for amount in amounts:
            total += amount
            buckets[bisect_left(self._upper_bounds, amount)] += 1
        self._sum.inc(total)
        for index, count in buckets.items():
            self._buckets[index].inc(count)


ACCEPTED: Final = Counter(
    "goutong_accepted_total",
    "Deliveries accepted: stored, and answered with 202",
    ("application", "channel", "priority"),
    registry=REGISTRY,
)
ATTEMPTS: Final = Counter(
    "goutong_attempts_total",
    "Conversations with providers; outcome is sent or the code of an error",
    ("channel", "priority", "provider", "outcome"),
    registry=REGISTRY,
)
DELIVERIES: Final = Counter(
    "goutong_deliveries_total",
    "Deliveries that reached a state in which nothing more is tried",
    ("channel", "priority", "provider", "status"),
    registry=REGISTRY,
)
ATTEMPT_LATENCY: Final = BatchHistogram(
    "goutong_attempt_latency_seconds",
    "A provider's own time to answer",
    ("channel", "provider"),
    buckets=_ATTEMPT_SECONDS,
    registry=REGISTRY,
)
DELIVERY_AGE: Final = BatchHistogram(
    "goutong_delivery_age_seconds",
    "From acceptance to the end of a delivery",
    ("channel", "priority"),
    buckets=_AGE_SECONDS,
    registry=REGISTRY,
)
LEASES_EXPIRED: Final = Counter(
    "goutong_leases_expired_total",
    "Deliveries whose worker died with them",
    ("lane",),
    registry=REGISTRY,
)
SHAVED: Final = Counter(
    "goutong_lane_shaved_total",
    "Requests refused because a lane was too deep: at its hard limit (refused), or on the way there (slowed)",
    ("lane", "decision"),
    registry=REGISTRY,
)
RECEIPTS: Final = Counter(
    "goutong_receipts_total",
    "Reports of providers by what they meant: delivered, failed, duplicate, contradicted, ignored, early (counted again"
    " once their message is known), unknown",
    ("provider", "outcome"),
    registry=REGISTRY,
)
HTTP_REQUESTS: Final = Counter(
    "goutong_http_requests_total",
    "Requests answered",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_LATENCY: Final = BatchHistogram(
    "goutong_http_request_seconds",
    "Time to answer a request",
    ("method", "route"),
    buckets=_HTTP_SECONDS,
    registry=REGISTRY,
)


def registry() -> CollectorRegistry:
    """What to expose of the counted: the sum over all processes, or this process's figures where files can't be."""
    if not SHARED:
        return REGISTRY
    summed = CollectorRegistry()
    MultiProcessCollector(summed, path=str(DIRECTORY))  # type: ignore[no-untyped-call]
    return summed
