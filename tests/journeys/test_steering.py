"""How soon traffic does what people decided, on a live stack.

Small by default; ``GOUTONG_SCALE=10 pytest -q -s tests/journeys/test_steering.py`` takes twenty orders and prints the
figures of docs/steering.md.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import leave_only, rows, run_inside
from tests.journeys.gateways import Gateways, SteadyLoad
from tests.journeys.portal import Visitor
from tests.stack.live import LiveStack

FULL: Final = float(os.environ.get("GOUTONG_SCALE", "1")) >= 10
ORDERS: Final = 20 if FULL else 2
PER_SECOND: Final = 100 if FULL else 40
PASSWORD: Final = "a-long-pass-phrase-7"
SMS: Final[dict[str, Any]] = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}}
#: Only people move traffic here, and all of it comes back at once: when it does is what is looked at.
POLICY: Final = {"min_samples": 1_000_000, "ramp": {"steps": [100], "hold_s": 1}}

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(900 if FULL else 240)]


@pytest.fixture
def company(live_stack: LiveStack, gateways: Gateways, wait_for: WaitFor) -> Iterator[Company]:
    name = f"s{uuid4().hex[:8]}"
    names = [f"sms-a-{name}", f"sms-b-{name}"]
    made = Company(
        live_stack,
        name,
        configuration={
            "channels": [{"name": "sms"}],
            "providers": [gateways.provider("/a", names[0], 70), gateways.provider("/b", names[1], 30)],
            "policies": [{"target": "channel:sms", **POLICY}],
        },
    )
    hire = (
        "from django.contrib.auth.models import Group, User\n"
        "for who, role in (('asks', 'Operator'), ('agrees', 'Approver')):\n"
        f"    user = User.objects.create_user(who + '-{name}', password='{PASSWORD}', is_staff=True)\n"
        "    user.groups.add(Group.objects.get(name=role))"
    )
    run_inside(live_stack, hire)
    warm = made.send(**SMS)
    wait_for(lambda: made.status(warm) == "sent", timeout=60, message="the workers are there")
    yield made
    run_inside(
        live_stack,
        "from channels.models import Pin, Policy, Provider; Policy.objects.all().delete(); Pin.objects.all().delete();"
        f"Provider.objects.filter(name__in={names}).delete()",
    )


def state_of(live: LiveStack, number: int) -> str:
    return str(rows(live, "SELECT state FROM admin_portal_degradationrequest WHERE id = %s", number)[0][0])


def summary(seconds: list[float]) -> str:
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return f"p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s, at most {max(seconds):.2f} s"


def test_traffic_moves_when_a_request_is_approved_and_is_back_when_its_time_is_over(
    gateways: Gateways, company: Company, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    asks, agrees = (Visitor(live_stack.url, f"{who}-{company.name}", PASSWORD) for who in ("asks", "agrees"))
    moved, restored = [], []

    def arrivals(*, since: float) -> list[float]:
        return [one.at for one in list(gateways.asked) if one.path == "/a" and one.at >= since]

    def is_quiet(since: float) -> bool:
        last = max([since, *arrivals(since=since)])
        return time.time() - last > 1

    with SteadyLoad(company, {**SMS, "ttl_s": 120}, PER_SECOND) as load:
        wait_for(lambda: len(gateways.asked) > 2 * PER_SECOND, timeout=60)
        for _ in range(ORDERS):
            number = asks.ask("disable_provider", f"provider:sms-a-{company.name}", reason="every third fails")
            approved_at = time.time()
            agrees.approve(number)
            wait_for(lambda since=approved_at: is_quiet(since), timeout=20, message="nothing more comes to A")
            moved.append(max([0.0, *(at - approved_at for at in arrivals(since=approved_at))]))
            ends_at = leave_only(live_stack, number, seconds=2.5 + random.random())
            back = wait_for(lambda since=ends_at: arrivals(since=since), timeout=20, message="messages come to A again")
            restored.append(back[0] - ends_at)
            early = [at for at in arrivals(since=approved_at + moved[-1] + 0.001) if at < ends_at - 0.05]
            assert early == [], "nothing comes to A while the order is in force"
            wait_for(lambda n=number: state_of(live_stack, n) == "ended", timeout=20)
    wait_for(lambda: set(gateways.taken()) >= set(load.accepted), timeout=60, message="nothing is lost")
    print(
        f"\n{len(moved)} orders at {load.rate:.0f} messages a second: from the approval to the last message at A"
        f" {summary(moved)}; from the end to the first one there {summary(restored)}"
    )
    assert len(gateways.taken()) == len(set(gateways.taken()))
