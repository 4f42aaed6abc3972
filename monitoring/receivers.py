"""What the notify room tells becomes figures: a batch of 500 costs a few increments, and nothing here ever raises."""

from __future__ import annotations

import functools
import logging
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from channels.names import split_lane
from notify import signals
from notify.models.delivery import TERMINAL
from notify.signals import RecordedResult, RecordedTry

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

_log = logging.getLogger(__name__)
#: Applications that get series of their own; the company has dozens, and a mistake must not make thousands.
_MAX_APPLICATIONS: Final = 200
_OTHER: Final = "other"
_ENDS: Final = frozenset(status.value for status in TERMINAL)
_applications: set[str] = set()


def connect() -> None:
    """Listens to the notify room. Safe to call again."""
    signals.accepted.connect(count_accepted, dispatch_uid="monitoring.accepted")
    signals.recorded.connect(count_recorded, dispatch_uid="monitoring.recorded")
    signals.leases_expired.connect(count_expired_leases, dispatch_uid="monitoring.leases_expired")
    signals.shaved.connect(count_shaved, dispatch_uid="monitoring.shaved")
    signals.receipts.connect(count_receipts, dispatch_uid="monitoring.receipts")


def never_raises(receiver: Callable[..., None]) -> Callable[..., None]:
    """Logs what goes wrong in ``receiver`` instead: a figure that is missing must not cost a message."""

    @functools.wraps(receiver)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            receiver(*args, **kwargs)
        except Exception:  # noqa: BLE001  (whatever it is, it is only about a figure)
            _log.exception("metrics could not be counted")

    return guarded


@never_raises
def count_accepted(*, application: str, lanes: Mapping[str, int], **_signal: Any) -> None:
    """Counts deliveries accepted for ``application``, by lane."""
    from monitoring import metrics

    name = _bounded(application)
    for lane, count in lanes.items():
        metrics.ACCEPTED.labels(name, *split_lane(lane)).inc(count)


@never_raises
def count_recorded(*, tries: Sequence[RecordedTry], results: Sequence[RecordedResult], **_signal: Any) -> None:
    """Counts one batch: its conversations with providers, and what became of its deliveries."""
    from monitoring import metrics

    outcomes: Tally[tuple[str, str, str]] = Tally()
    latencies: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in tries:
        outcomes[one.lane, one.provider, one.outcome] += 1
        latencies[split_lane(one.lane)[0], one.provider].append(one.latency_s)
    for (lane, provider, outcome), count in outcomes.items():
        metrics.ATTEMPTS.labels(*split_lane(lane), provider, outcome).inc(count)
    for labels, seconds in latencies.items():
        metrics.ATTEMPT_LATENCY.labels(*labels).observe_many(seconds)

    ends: Tally[tuple[str, str, str]] = Tally()
    ages: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.status in _ENDS:
            ends[result.lane, result.provider, result.status] += 1
            ages[result.lane].append(max(result.age_s, 0.0))
    for (lane, provider, status), count in ends.items():
        metrics.DELIVERIES.labels(*split_lane(lane), provider, status).inc(count)
    for lane, seconds in ages.items():
        metrics.DELIVERY_AGE.labels(*split_lane(lane)).observe_many(seconds)


@never_raises
def count_expired_leases(*, lane: str, count: int, **_signal: Any) -> None:
    """Counts deliveries whose worker died."""
    from monitoring import metrics

    metrics.LEASES_EXPIRED.labels(lane).inc(count)


@never_raises
def count_shaved(*, lane: str, decision: str, **_signal: Any) -> None:
    """Counts a request that was refused because of a lane's depth."""
    from monitoring import metrics

    metrics.SHAVED.labels(lane, decision).inc()


@never_raises
def count_receipts(*, provider: str, counts: Mapping[str, int], **_signal: Any) -> None:
    """Counts what a provider reported, by what it meant."""
    from monitoring import metrics

    for outcome, count in counts.items():
        metrics.RECEIPTS.labels(provider, outcome).inc(count)


@never_raises
def count_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """Counts an answered request under the name of its URL pattern."""
    counter, histogram = _request_series(method, route, status)
    counter.inc()
    histogram.observe(seconds)


@functools.lru_cache(maxsize=4096)
def _request_series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    from monitoring import metrics

    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_LATENCY.labels(method, route)


def _bounded(application: str) -> str:
    if application not in _applications:
        if len(_applications) >= _MAX_APPLICATIONS:
            return _OTHER
        _applications.add(application)
    return application
