"""What operators see of the lanes' limits: in /readyz and in the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.core import Metric

from monitoring import metrics
from monitoring.collector import DatabaseCollector
from monitoring.health import doctor
from monitoring.readings import judge
from notify import saturation, signals
from notify.models import LaneLoad
from notify.queries import LaneDepth
from notify.shaving import Limits, Load, State
from tests import factories
from tests.conftest import WaitFor

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LANE = "sms.normal"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_eyes")]


@pytest.fixture(autouse=True)
def _low_limits(settings: Any, valkey: str) -> Iterator[None]:
    settings.REDIS_URL = settings.BROKER_URL = valkey
    settings.LANES = {**settings.LANES, "LIMITS": {"normal": (2, 4)}}
    saturation.forget()
    yield
    saturation.forget()


def lane_in_readiness(wait_for: WaitFor, *, depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body of /readyz, and its lane, where so many are due and were measured."""
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    for _number in range(depth):
        factories.make_delivery(notification, channel="sms")
    LaneLoad.objects.create(lane=LANE, depth=depth, measured_at=timezone.now(), again_at=timezone.now())

    def look() -> tuple[dict[str, Any], dict[str, Any]] | None:
        doctor._reported_at = float("-inf")
        body = Client().get("/readyz").json()
        lanes = body["checks"]["lanes"].get("lanes", [])
        return (body, lanes[0]) if lanes else None

    found = wait_for(look)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("depth", "state", "status"), [(1, "open", "ok"), (3, "slowed", "ok"), (5, "refusing", "degraded")]
)
def test_readiness_shows_each_lane_s_limits_and_state(wait_for: WaitFor, depth: int, state: str, status: str) -> None:
    body, lane = lane_in_readiness(wait_for, depth=depth)
    assert {name: lane[name] for name in ("name", "depth", "soft", "hard", "state")} == {
        "name": LANE,
        "depth": depth,
        "soft": 2,
        "hard": 4,
        "state": state,
    }
    assert body["status"] == status
    assert (LANE in body["checks"]["lanes"]["detail"]) is (state == "refusing")


def test_a_lane_deeper_than_was_counted_is_as_deep_as_it_was_measured() -> None:
    loads = {LANE: Load(lane=LANE, depth=700_000, per_second=None, limits=Limits(500_000, 2_000_000))}
    depths = [LaneDepth(LANE, 100_000, 60.0, capped=True), LaneDepth("sms.bulk", 9, 1.0)]
    deep, shallow = judge(depths, pulses={LANE: NOW}, now=NOW, loads=loads)
    assert (deep.depth, deep.state) == (700_000, State.SLOWED)
    assert (shallow.depth, shallow.state) == (9, State.OPEN)


def samples(families: list[Metric], name: str) -> dict[str, float]:
    return {sample.labels["lane"]: sample.value for one in families if one.name == name for sample in one.samples}


def test_metrics_show_the_limits_of_every_lane_that_has_some() -> None:
    families = list(DatabaseCollector().collect())
    soft, hard = samples(families, "goutong_lane_soft_limit"), samples(families, "goutong_lane_hard_limit")
    assert (soft["sms.normal"], hard["sms.normal"]) == (2, 4)
    assert (soft["sms.bulk"], hard["sms.bulk"]) == (500_000, 2_000_000)
    assert set(soft) == set(hard) == set(saturation.all_limits())


def test_refusals_are_counted_by_lane_and_decision() -> None:
    def counted() -> float:
        labels = {"lane": "voice.bulk", "decision": "refused"}
        return metrics.registry().get_sample_value("goutong_lane_shaved_total", labels) or 0

    before = counted()
    signals.shaved.send(sender=None, lane="voice.bulk", decision="refused")
    assert counted() == before + 1
