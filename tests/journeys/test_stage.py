"""The stage of a drill on a live stack: the real engine judges who is played there, and nobody real is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import rows, run_inside
from tests.journeys.gateways import Gateways
from tests.stack.live import LiveStack

SMS: dict[str, Any] = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hi"}}
OPEN_STAGE = """
from datetime import timedelta
from uuid import UUID
from django.utils import timezone
from channels import stages
from channels.names import FaultKind
now = timezone.now()
stages.open_stage(
    stage_id=UUID("{stage}"), channels=["sms"], fault=FaultKind.ERRORS, provider="{provider}", parameters={{}},
    share=0.0, application="{application}", opens_at=now, faulty_from=now,
    faulty_until=now + timedelta(minutes=20), closes_at=now + timedelta(minutes=30),
)
"""
CLOSE_STAGE = """
from uuid import UUID
from django.utils import timezone
from channels import stages
assert stages.close(stage_id=UUID("{stage}"), now=timezone.now())
"""

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(180)]


@pytest.fixture
def company(live_stack: LiveStack, gateways: Gateways, wait_for: WaitFor) -> Iterator[Company]:
    name = f"g{uuid4().hex[:8]}"
    names = [f"sms-a-{name}", f"sms-b-{name}"]
    made = Company(
        live_stack,
        name,
        configuration={
            "channels": [{"name": "sms"}],
            "providers": [gateways.provider("/a", names[0], 50), gateways.provider("/b", names[1], 50)],
        },
    )
    warm = made.send(**SMS)
    wait_for(lambda: made.status(warm) == "sent", timeout=60, message="the workers are there")
    yield made
    code = f"from channels.models import Provider, Stage; Provider.objects.filter(name__in={names}).delete()"
    run_inside(live_stack, f"{code}; Stage.objects.all().delete()")


def ask(company: Company, query: str, *values: Any) -> list[Any]:
    """The first column of what the database says."""
    return [row[0] for row in rows(company.live, query, *values)]


def takers(company: Company, notification: dict[str, Any]) -> list[str]:
    """Who took a notification."""
    query = "SELECT provider FROM notify_attempt WHERE notification_id = %s AND outcome = 'sent'"
    return ask(company, query, notification["id"])


def test_on_the_stage_a_dead_provider_is_opened_traffic_leaves_it_and_no_real_one_notices(
    company: Company, gateways: Gateways, wait_for: WaitFor
) -> None:
    a, b, stage, live_key = f"sms-a-{company.name}", f"sms-b-{company.name}", uuid4(), company.key
    made = company.live.manage("create_api_key", company.name, "--scopes", "send,read", "--test")
    company.use_key(made.stdout.strip())
    gateways.asked.clear()
    run_inside(company.live, OPEN_STAGE.format(stage=stage, provider=a, application=company.name))

    def is_open() -> bool:
        sent = [company.send(**SMS) for _ in range(5)]
        wait_for(lambda: all(company.status(one) in {"sent", "delivered"} for one in sent), timeout=20)
        events = "SELECT after FROM channels_degradationevent WHERE target = %s ORDER BY id"
        return "open" in ask(company, events, f"provider:drill:{a}")

    wait_for(is_open, timeout=60, message="the engine opens the provider that the drill plays")
    after = [company.send(**SMS, priority="critical") for _ in range(10)]  # these are never probes
    wait_for(lambda: [takers(company, one) for one in after] == [[f"drill:{b}"]] * 10, timeout=20)
    assert gateways.asked == [], "a test key's message reached a real provider"

    company.use_key(live_key)
    channels = company.get("channels")
    assert "drill:" not in json.dumps(channels)
    (sms,) = [one for one in channels["results"] if one["name"] == "sms"]
    assert {one["state"] for one in sms["providers"]} == {"healthy"}
    real = company.send(**SMS)
    wait_for(lambda: takers(company, real), timeout=20)
    assert takers(company, real)[0] in {a, b}

    run_inside(company.live, CLOSE_STAGE.format(stage=stage))
    standing = "SELECT target FROM channels_standing WHERE target LIKE '%%drill:%%'"
    wait_for(lambda: ask(company, standing) == [], timeout=15, message="what stood on the stage is gone")
    company.use_key(made.stdout.strip())

    def is_off_stage() -> bool:
        last = company.send(**SMS)
        wait_for(lambda: takers(company, last), timeout=20)
        return takers(company, last) == ["builtin:sandbox"]

    # Workers go by what they knew for up to a second.
    wait_for(is_off_stage, timeout=10, message="what test keys send goes nowhere again")
    company.use_key(live_key)
    company.reconcile()
