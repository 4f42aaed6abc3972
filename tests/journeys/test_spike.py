"""A spike of bulk, ten times what can leave: slowed and refused at the door, nothing accepted is lost, and what is
critical goes on as if nothing were. A stack of its own, with limits low enough to be met in seconds."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from bench.load.spike import Spike
from tests.conftest import WaitFor
from tests.journeys.client import Company, Load
from tests.stack.live import LiveStack, MakeStack

LANE = "sms.bulk"
SOFT, HARD = 200, 600
#: What the provider below takes of bulk in a second: two places of its four, a message in each for this long.
LATENCY_MS = 10
BATCH = 50
SPIKE_S = 6.0
#: 2,000 recipients a second: ten times what two places of 10 ms take.
THREADS, EVERY_S = 4, 0.1
CRITICAL: dict[str, Any] = {
    "to": {"phone": "+8613800001234"},
    "channels": ["sms"],
    "content": {"text": "Your code is 123456"},
    "priority": "critical",
}

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(180)]


@pytest.fixture
def live(make_stack: MakeStack) -> Iterator[LiveStack]:
    """A stack with no more processes than this takes."""
    stack = make_stack(only="web,sms,lifeboat,control,beat", LANE_LIMITS=f"{LANE}={SOFT}:{HARD}")
    stack.start()
    stack.wait_until_ready()
    yield stack
    stack.stop()


def _lane(live: LiveStack) -> dict[str, Any]:
    """What /readyz says of the lane; empty when it says nothing."""
    lanes = urllib3.request("GET", f"{live.url}/readyz").json()["checks"]["lanes"].get("lanes", [])
    return next((dict(lane) for lane in lanes if lane["name"] == LANE), {})


def test_a_spike_of_bulk_is_shaved_and_what_is_critical_does_not_notice(live: LiveStack, wait_for: WaitFor) -> None:
    provider: dict[str, Any] = {
        "name": "sms-a",
        "channel": "sms",
        "adapter": "sandbox",
        "max_concurrency": 4,
        "config": {"latency_ms": LATENCY_MS, "journal": True},
    }
    company = Company(live, "spike", configuration={"providers": [provider]})
    spike = Spike(company, batch=BATCH, threads=THREADS, every_s=EVERY_S)
    with Load(company, CRITICAL) as critical:
        wait_for(lambda: len(critical.accepted) > 10, timeout=30)
        began = time.monotonic()
        spike.run(seconds=SPIKE_S)
        ended = time.monotonic()
        lane = wait_for(lambda: (found := _lane(live)).get("state") in ("slowed", "refusing") and found, timeout=10)
    total = len(critical.accepted) + spike.accepted
    wait_for(lambda: len(company.journal("sms-a")) >= total, timeout=60, message="all that was accepted is sent")
    drained = time.monotonic()
    took = company.journal("sms-a")
    metrics = urllib3.request("GET", f"{live.url}/metrics").data.decode()
    during = [seconds for _status, seconds in critical.between(began, ended)]
    print(
        f"\nspike: {dict(spike.statuses)}, {spike.accepted} accepted, {lane=}, drained in {drained - ended:.1f} s,"
        f" Retry-After {Counter(one.retry_after for one in spike.refusals)};"
        f" critical: {len(during)} requests, p99 {statistics.quantiles(during, n=100)[98] * 1000:.0f} ms"
    )

    assert {status for _began, status, _took in critical.answers} == {202}
    assert set(spike.statuses) == {202, 429}
    for refusal in spike.refusals:
        assert 1 <= int(refusal.retry_after) <= 300
        assert refusal.problem["code"] == "lane_saturated"
        assert LANE in refusal.problem["detail"]
    assert (lane["soft"], lane["hard"]) == (SOFT, HARD)
    assert set(took.values()) == {1}
    assert len(took) == total
    assert company.reconcile()["unaccounted"] == 0
    assert f'goutong_lane_shaved_total{{decision="refused",lane="{LANE}"}}' in metrics
