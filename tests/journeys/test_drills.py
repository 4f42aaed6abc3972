"""A drill on a live stack: the real engine judges the stage, and the report says how long it took. No real provider is
asked."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import rows, run_inside
from tests.journeys.gateways import Gateways
from tests.stack.live import LiveStack

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(240)]


@pytest.fixture
def company(live_stack: LiveStack, gateways: Gateways) -> Iterator[Company]:
    name = f"d{uuid4().hex[:8]}"
    names = [f"sms-a-{name}", f"sms-b-{name}"]
    providers = [gateways.provider("/a", names[0], 70), gateways.provider("/b", names[1], 30)]
    made = Company(live_stack, name, configuration={"channels": [{"name": "sms"}], "providers": providers})
    yield made
    run_inside(live_stack, f"from channels.models import Provider; Provider.objects.filter(name__in={names}).delete()")


def test_a_drill_finds_that_traffic_goes_another_way_and_no_real_provider_is_asked(
    company: Company, gateways: Gateways, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    code = f"""
from uuid import uuid4
from django.contrib.auth.models import User
from django.utils import timezone
from admin_portal.drills import controls, editing
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.drills.terms import Terms
from channels.names import FaultKind
by, now = User.objects.get_or_create(username="ann", is_staff=True, is_superuser=True)[0], timezone.now()
expected = Hypothesis(detect_within_s=20, switch_within_s=20, undelivered_at_most=0)
terms = Terms(channel="sms", fault=FaultKind.ERRORS, provider="sms-a-{company.name}", rate_per_s=10,
    warm_s=5, fault_s=20, recover_s=5, hypothesis=expected)
draft = editing.Draft(title="A fails", owner="ann", terms=terms)
drill = editing.create(name="d-{company.name}", draft=draft, by=by, origin="", now=now)
given = dict(seen_at=drill.changed_at, form_token=uuid4(), by=by, origin="", now=now)
print(controls.start(drill_id=drill.pk, **given).pk)
"""
    asked = len(gateways.asked)
    run = run_inside(live_stack, code)

    def report() -> tuple[str, dict[str, object], list[object]] | None:
        sql = "SELECT outcome, figures, findings FROM admin_portal_drillrun WHERE id = %s AND NOT is_live"
        found = rows(live_stack, sql, run)
        return found[0] if found else None

    outcome, figures, findings = wait_for(report, timeout=150, message="the report is there") or ("", {}, [])
    print(f"\n{outcome}: " + ", ".join(f"{name} {figures[name]}" for name in figures if name not in {"series"}))
    assert outcome == "passed", findings
    assert (figures["sent"], figures["lost"], figures["duplicated"]) == (300, 0, 0)
    assert len(gateways.asked) == asked
