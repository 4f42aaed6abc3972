"""Channels that heal themselves, on a live stack: a provider dies, traffic leaves it, and comes back by itself.

Small by default, with a policy that is quick; ``GOUTONG_SCALE=10`` is 200 messages a second, with the default policy:
``GOUTONG_SCALE=10 pytest -q -s tests/journeys/test_degradation.py`` prints the figures of docs/degradation.md.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
import redis

from channels.degradation.thresholds import DEFAULTS
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.gateways import Gateways, SteadyLoad, wait_seconds
from tests.stack.live import LiveStack

SCALE = float(os.environ.get("GOUTONG_SCALE", "1"))
FULL = SCALE >= 10
PER_SECOND = 200 if FULL else 40
QUICK: dict[str, Any] = {
    "window_s": 20,
    "min_samples": 10,
    # Of ten messages of a brown-out with 30 % faults half fail now and then; eight do not.
    "error_rate": {"degrade": 0.1, "open": 0.8},
    "probe": {"interval_s": 1, "successes": 2},
    "ramp": {"steps": [30, 100], "hold_s": 2},
}
#: The longest that a return may take after the fault's end, by the policy: probes and the ramp.
PROBES_S, RAMP_S = (50, 90) if FULL else (3, 4)
SMS: dict[str, Any] = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}}

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(420 if FULL else 240)]


@pytest.fixture
def company(live_stack: LiveStack, gateways: Gateways, wait_for: WaitFor) -> Iterator[Company]:
    name = f"d{uuid4().hex[:8]}"
    names = [f"sms-a-{name}", f"sms-b-{name}"]
    made = Company(
        live_stack,
        name,
        configuration={
            "channels": [{"name": "sms", "fallback": ["inapp"], "step_deadline_s": 20}],
            "providers": [gateways.provider("/a", names[0], 70), gateways.provider("/b", names[1], 30)],
            "policies": [] if FULL else [{"target": "channel:sms", **QUICK}],
        },
    )
    warm = made.send(**SMS)
    wait_for(lambda: made.status(warm) == "sent", timeout=60, message="the workers are there")
    gateways.asked.clear()
    yield made
    code = f"from channels.models import Pin, Policy, Provider; Provider.objects.filter(name__in={names}).delete()"
    live_stack.manage("shell", "-c", f"{code}; Policy.objects.all().delete(); Pin.objects.all().delete()")


def state(company: Company, name: str) -> str:
    for channel in company.get("channels")["results"]:
        for provider in channel["providers"]:
            if provider["name"] == name:
                return str(provider["state"])
    return ""


def changes(company: Company, target: str) -> list[tuple[float, str, float]]:
    """When a target's standing changed, to which state and which share."""
    with (
        contextlib.closing(psycopg2.connect(company.live.addresses()["database_url"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT extract(epoch FROM at)::float, after, share_after FROM channels_degradationevent"
            " WHERE target = %s ORDER BY id",
            [target],
        )
        return cursor.fetchall()


def slowest(gateways: Gateways, load: SteadyLoad) -> float:
    """The longest time from asking to arriving."""
    arrivals = gateways.arrivals()
    return max(arrivals[one] - begun_at for one, begun_at in load.accepted.items())


def test_traffic_leaves_a_dead_provider_in_moments_and_comes_back_by_itself(
    gateways: Gateways, company: Company, wait_for: WaitFor
) -> None:
    a = f"sms-a-{company.name}"
    with SteadyLoad(company, {**SMS, "ttl_s": 30}, PER_SECOND) as load:
        wait_for(lambda: len(gateways.asked) > 3 * PER_SECOND, timeout=40)
        warm = wait_seconds(wait_for, 3)
        before = gateways.share("/a", since=warm, until=wait_seconds(wait_for, 5))
        gateways.error_rates["/a"] = 1.0
        died = time.time()
        wait_for(lambda: state(company, a) == "open", timeout=10)
        mended = wait_seconds(wait_for, 20 if FULL else 8)
        gateways.error_rates.clear()
        wait_for(lambda: state(company, a) == "healthy", timeout=PROBES_S + RAMP_S + 30)
        well = time.time()
        end = wait_seconds(wait_for, 5)
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=40, message="nothing is lost")
    leaving = [gateways.share("/a", since=died + second, until=died + second + 1) for second in range(4)]
    left = gateways.share("/a", since=died + 3, until=mended)
    back = gateways.share("/a", since=well + 1.5, until=end)
    late = slowest(gateways, load)
    print(
        f"\na dead provider, {load.rate:.0f} messages a second: A has {before:.0%} of the first attempts before;"
        f" {', '.join(f'{one:.1%}' for one in leaving)} in the seconds after it died, {left:.2%} from the third on;"
        f" {back:.0%} again {well - mended:.0f} s after it was well; slowest message {late:.1f} s of 30"
    )
    assert load.rate > PER_SECOND * 0.8
    assert before > 0.55
    assert left <= 0.02
    assert late < 30
    assert well - mended < PROBES_S + RAMP_S + 10
    assert back > 0.55
    assert len(gateways.taken()) == len(set(gateways.taken()))
    books = company.reconcile()
    assert (books["unaccounted"], {one: n for one, n in books["terminal"].items() if n}) == (
        0,
        {"sent": len(load.accepted) + 1},
    )


def test_in_a_brown_out_the_share_falls_in_steps_and_messages_arrive(
    gateways: Gateways, company: Company, wait_for: WaitFor
) -> None:
    a = f"sms-a-{company.name}"
    with SteadyLoad(company, {**SMS, "ttl_s": 120}, PER_SECOND) as load:
        wait_for(lambda: len(gateways.asked) > 3 * PER_SECOND, timeout=40)
        gateways.error_rates["/a"] = 0.3
        ill = time.time()
        wait_seconds(wait_for, 60 if FULL else 20)
        end = time.time()
        gateways.error_rates.clear()
        wait_seconds(wait_for, 1)
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=60, message="nothing is lost")
    cuts = [one for one in changes(company, f"provider:{a}") if ill <= one[0] < end]
    edges = [ill, *(at for at, _state, _share in cuts), end]
    loads = [gateways.load("/b", since=start, until=stop) for start, stop in itertools.pairwise(edges)]
    sent = company.reconcile()["terminal"].get("sent", 0) - 1  # the one that the workers were waited for with
    print(
        f"\nbrown-out at 30% errors, {load.rate:.0f} messages a second: A's share "
        + ", ".join(f"{share:.0%} after {at - ill:.0f} s" for at, _state, share in cuts)
        + f"; B's load {', '.join(f'{one:.0f}' for one in loads)} a second; "
        f"{sent / len(load.accepted):.2%} of {len(load.accepted)} sent"
    )
    assert sent >= 0.995 * len(load.accepted)
    assert [one for _at, one, _share in cuts] == ["degraded"] * len(cuts)
    steps = [1.0, 0.6, 0.3, 0.1, 0.03] if FULL else [1.0, 0.3, 0.03]
    assert [share for _at, _state, share in cuts] == steps[1 : 1 + len(cuts)]
    assert len(cuts) >= 1
    apart = [later - earlier for earlier, later in itertools.pairwise(edges[1:-1])]
    assert all(seconds >= DEFAULTS.cut_hold_s - 0.1 for seconds in apart)
    for share, seen, (start, stop) in zip(steps, loads, itertools.pairwise(edges), strict=False):
        # What its share of the weights asks for, and what falls over from A within the attempt.
        its = 30 / (70 * share + 30)
        assert stop - start < 3 or seen <= PER_SECOND * (its + 0.3 * (1 - its)) * 1.2


def test_when_the_whole_channel_is_dead_messages_arrive_by_the_fallback_and_bulk_waits(
    gateways: Gateways, company: Company, wait_for: WaitFor
) -> None:
    inbox = f"inbox-{company.name}"
    company.configure({"providers": [{"name": inbox, "channel": "inapp", "adapter": "inapp", "config": {}}]})
    to = {"phone": "+8613800001234", "user_id": "u1"}
    gateways.error_rates.update({"/a": 1.0, "/b": 1.0})
    body = {"to": to, "channels": ["sms", "inapp"], "route": "first", "content": {"text": "Hi"}, "ttl_s": 120}
    with SteadyLoad(company, body, PER_SECOND) as load:
        bulk = company.send_batch(
            {"channels": ["sms"], "content": {"text": "Hi"}, "priority": "bulk"},
            [{"to": {"phone": f"+86138{number:08d}"}} for number in range(int(30 * SCALE))],
        )
        wait_seconds(wait_for, 10 if not FULL else 20)
    wait_for(lambda: len(elsewhere(company)) == len(load.accepted), timeout=40, message="all by the fallback")
    times = elsewhere(company)
    # One of them may just be looking whether it may go.
    wait_for(lambda: company.get(f"batches/{bulk}")["counts"]["queued"] == int(30 * SCALE), timeout=20)
    assert not gateways.taken()
    asked = len(gateways.asked)
    gateways.error_rates.clear()
    mended = time.time()
    wait_for(lambda: company.get(f"batches/{bulk}")["complete"], timeout=120, message="what was held flows")
    print(
        f"\nthe whole channel dead: {len(load.accepted)} messages of route first by the fallback, after "
        f"{statistics.median(times):.1f} s in the median, {max(times):.1f} s at most (step deadline 20 s); "
        f"{asked} requests to the dead; {int(30 * SCALE)} bulk held, all sent {time.time() - mended:.0f} s later"
    )
    assert max(times) < 20
    assert company.get(f"batches/{bulk}")["counts"]["sent"] == int(30 * SCALE)
    assert len(gateways.taken()) == len(set(gateways.taken())) == int(30 * SCALE)
    assert not set(gateways.taken()) & set(load.accepted)
    assert company.reconcile()["unaccounted"] == 0


def elsewhere(company: Company) -> list[float]:
    """How many seconds each notification of the company's route first took to be in its inbox."""
    with (
        contextlib.closing(psycopg2.connect(company.live.addresses()["database_url"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT extract(epoch FROM d.delivered_at - n.created_at)::float FROM notify_delivery d"
            " JOIN notify_notification n ON n.id = d.notification_id"
            " JOIN notify_application a ON a.id = n.application_id"
            " WHERE a.name = %s AND d.channel = 'inapp' AND d.status = 'delivered'",
            [company.name],
        )
        return [seconds for (seconds,) in cursor.fetchall()]


def test_a_wiped_redis_and_a_restart_of_everything_change_nothing_while_a_provider_is_open(
    gateways: Gateways, company: Company, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    a = f"sms-a-{company.name}"
    slow = {"probe": {"interval_s": 60, "successes": 5}}  # it stays open for as long as this test looks
    company.configure({"policies": [{"target": f"provider:{a}", **slow}]})
    with SteadyLoad(company, {**SMS, "ttl_s": 60}, PER_SECOND) as load:
        wait_for(lambda: len(gateways.asked) > 2 * PER_SECOND, timeout=40)
        gateways.error_rates["/a"] = 1.0
        wait_for(lambda: state(company, a) == "open", timeout=10)
        with redis.Redis.from_url(live_stack.addresses()["redis_url"]) as client:
            client.flushall()
        wiped = wait_seconds(wait_for, 0)
        after_wipe = gateways.share("/a", since=wiped, until=wait_seconds(wait_for, 6))
        assert state(company, a) == "open"
        for name in ("sms", "control", "lifeboat", "beat", "valkey"):
            live_stack.ctl("restart", name)
        restarted = time.time()
        wait_for(lambda: len(gateways.first_attempts(since=restarted)) > 2 * PER_SECOND, timeout=60)
        after_restart = gateways.share("/a", since=restarted)
        assert state(company, a) == "open"
    print(f"\nRedis wiped while A is open: {after_wipe:.2%} of the first attempts to A; restarted: {after_restart:.2%}")
    assert after_wipe <= 0.02
    assert after_restart <= 0.02
    assert company.reconcile()["unaccounted"] == 0
    assert load.accepted


def test_an_order_moves_traffic_within_two_seconds_and_its_end_by_the_clock_gives_it_back(
    gateways: Gateways, company: Company, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    a = f"sms-a-{company.name}"
    code = (
        "from datetime import timedelta; from django.utils import timezone; from channels.degradation import pins;"
        f"now = timezone.now(); pin = pins.put(action='disable', provider='{a}', reason='drill', author='ann',"
        " starts_at=now, ends_at=now + timedelta(seconds=6), now=now); print(pin.ends_at.timestamp())"
    )
    with SteadyLoad(company, {**SMS, "ttl_s": 60}, PER_SECOND) as load:
        wait_for(lambda: len(gateways.asked) > 3 * PER_SECOND, timeout=40)
        wait_seconds(wait_for, 2)
        made = live_stack.manage("shell", "-v", "0", "-c", code)
        assert made.returncode == 0, made.stderr
        ends_at = float(made.stdout.split()[-1])
        wait_seconds(wait_for, ends_at - time.time())
        under = gateways.share("/a", since=ends_at - 4, until=ends_at)
        after = gateways.share("/a", since=ends_at + 2, until=wait_seconds(wait_for, 6))
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=30)
    print(f"\nA disabled by hand: {under:.1%} of the first attempts from 2 s on, {after:.0%} from 2 s after the end on")
    assert under == 0
    assert after > (0.1 if FULL else 0.2)
    assert len(gateways.taken()) == len(set(gateways.taken()))
