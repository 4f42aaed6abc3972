"""Whoever steers is killed, at every step of a plan and in every phase of a drill: what was begun goes on or is taken
back, and is never half in force. On a live stack. ``GOUTONG_SCALE=10`` does it ten times over.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest

from config.processes import Supervisor
from tests.conftest import WaitFor
from tests.journeys.client import Company
from tests.journeys.database import rows, run_inside
from tests.stack.live import LiveStack

FULL: Final = float(os.environ.get("GOUTONG_SCALE", "1")) >= 10
TIMES: Final = 10 if FULL else 1
#: Both move what is due; with one of them alive nothing would wait for the other.
STEERS: Final = ("control", "lifeboat")

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(1800 if FULL else 240)]


@pytest.fixture
def company(live_stack: LiveStack) -> Iterator[Company]:
    name = f"c{uuid4().hex[:8]}"
    names = [f"sms-{one}-{name}" for one in "ab"]
    providers = [{"name": one, "channel": "sms", "adapter": "sandbox"} for one in names]
    made = Company(live_stack, name, configuration={"channels": [{"name": "sms"}], "providers": providers})
    yield made
    run_inside(
        live_stack,
        "from channels.models import Pin, Provider; Pin.objects.all().delete();"
        f"Provider.objects.filter(name__in={names}).delete()",
    )


#: Who asks, who agrees, and who may do all of it, in what runs inside of the product.
PEOPLE: Final = """
from datetime import timedelta
from uuid import uuid4
from django.contrib.auth.models import User
from django.utils import timezone
asks, agrees = (User.objects.get_or_create(username=n, is_staff=True, is_superuser=True)[0] for n in ("ann", "bob"))
who = dict(origin="", now=timezone.now())
"""


def kill_who_steers(live: LiveStack, wait_for: WaitFor) -> None:
    """Kills the control worker and the lifeboat, and waits until the supervisor has new ones."""
    before = {name: live.state(name).pid for name in STEERS}
    for name in STEERS:
        Supervisor(live.data_dir).send_signal(name, signal.SIGKILL)
    wait_for(
        lambda: all(live.state(name).state == "RUNNING" and live.state(name).pid != before[name] for name in STEERS),
        timeout=60,
        message="who steers is back",
    )


def pins_in_force(live: LiveStack) -> set[str]:
    sql = "SELECT id::text FROM channels_pin WHERE ended_at IS NULL AND starts_at <= now() AND ends_at > now()"
    return {str(pin) for (pin,) in rows(live, sql)}


def assert_audit_is_whole(live: LiveStack) -> None:
    verified = live.manage("verify_audit")
    assert verified.returncode == 0, verified.stdout


# --- a plan -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run of a plan, as the database has it."""

    live: LiveStack
    number: int

    @property
    def phase(self) -> str:
        return str(rows(self.live, "SELECT phase FROM admin_portal_planrun WHERE id = %s", self.number)[0][0])

    def has_reached(self, position: int) -> bool:
        sql = "SELECT state FROM admin_portal_runstep WHERE run_id = %s AND position = %s AND state <> 'waiting'"
        return bool(rows(self.live, sql, self.number, position))

    def in_force(self) -> set[str]:
        sql = "SELECT pin_id::text FROM admin_portal_runstep WHERE run_id = %s AND in_force"
        return {str(pin) for (pin,) in rows(self.live, sql, self.number)}

    def audited(self, verb: str) -> list[int]:
        """Which steps the audit says this was done to, in order."""
        sql = (
            "SELECT (after->>'step')::int FROM admin_portal_auditentry WHERE target = %s AND action = %s"
            " ORDER BY number"
        )
        return [int(step) for (step,) in rows(self.live, sql, f"plan_run:{self.number}", f"plan.run.{verb}")]


def begin_plan(company: Company, steps: str) -> Run:
    """Writes a plan, asks for it and approves it, by the verbs that the pages use."""
    code = f"""{PEOPLE}
from admin_portal.plans import editing, requests
from admin_portal.steering.approval import Severity
draft = editing.Draft(title="Over B", owner="ann", source={steps!r})
plan = editing.create(name="p-" + uuid4().hex[:8], draft=draft, by=asks, **who)
wish = requests.Wish(version=1, reason="A is slow", severity=Severity.MEDIUM, lasts=timedelta(minutes=30))
run = requests.ask(plan_id=plan.pk, wish=wish, form_token=uuid4(), by=asks, **who)
requests.approve(run_id=run.pk, by=agrees, **who)
print(run.pk)
"""
    return Run(company.live, int(run_inside(company.live, code)))


def abort_plan(run: Run) -> None:
    code = f"""{PEOPLE}
from admin_portal.plans import controls
controls.abort(run_id={run.number}, by=asks, reason="A is well", **who)
"""
    run_inside(run.live, code)


def go_through(run: Run, steps: int, wait_for: WaitFor) -> None:
    """A whole run, and its abort, with those who steer killed at every step."""
    for position in range(steps):
        wait_for(lambda at=position: run.has_reached(at), timeout=60, message=f"step {position + 1} is reached")
        kill_who_steers(run.live, wait_for)
    wait_for(lambda: run.phase == "holding", timeout=60, message="the run has all its steps behind it")
    assert run.audited("step_applied") == [1, 3], "each order was put once"
    assert len(run.in_force()) == 1
    assert pins_in_force(run.live) == run.in_force(), "what is in force is what the run says"

    abort_plan(run)
    kill_who_steers(run.live, wait_for)
    wait_for(lambda: run.phase == "over", timeout=60, message="the run is reverted")
    assert (run.in_force(), pins_in_force(run.live), run.audited("step_reverted")) == (set(), set(), [3])


def test_a_plan_goes_on_from_every_step_at_which_those_who_steer_are_killed(
    company: Company, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    a, b = (f"sms-{one}-{company.name}" for one in "ab")
    steps: list[dict[str, Any]] = [
        {"do": "shed_bulk", "target": "channel:sms"},
        {"wait": "2s"},
        {"do": "set_weights", "target": "channel:sms", "with": {"weights": {a: 0, b: 100}}},
        {"wait": "2s"},
        {"undo": 1},
        {"wait": "2s"},
    ]
    for _ in range(TIMES):
        go_through(begin_plan(company, json.dumps(steps)), len(steps), wait_for)
    assert_audit_is_whole(live_stack)


# --- a drill ----------------------------------------------------------------------------------------------------------

PHASES: Final = ("opened", "loaded", "faulty", "recovering", "reported")


def begin_drill(company: Company) -> str:
    """Writes a drill and starts it; gives the id of its run."""
    code = f"""{PEOPLE}
from admin_portal.drills import controls, editing
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.drills.terms import Terms
from channels.names import FaultKind
terms = Terms(channel="sms", fault=FaultKind.ERRORS, provider="sms-a-{company.name}", rate_per_s=5,
    warm_s=6, fault_s=8, recover_s=8, hypothesis=Hypothesis(detect_within_s=8, switch_within_s=8, recover_within_s=8))
draft = editing.Draft(title="A fails", owner="ann", terms=terms)
drill = editing.create(name="d-" + uuid4().hex[:8], draft=draft, by=asks, **who)
print(controls.start(drill_id=drill.pk, seen_at=drill.changed_at, form_token=uuid4(), by=asks, **who).pk)
"""
    return run_inside(company.live, code)


def drill_is_past(live: LiveStack, run: str, phase: str) -> bool:
    """Whether the run has come to ``phase``, or is over."""
    sql = f"SELECT {phase}_at IS NOT NULL OR NOT is_live FROM admin_portal_drillrun WHERE id = %s"
    return bool(rows(live, sql, run)[0][0])


def play(live: LiveStack, run: str, wait_for: WaitFor) -> None:
    """A whole run, with those who steer killed in every phase."""
    for phase in PHASES:
        wait_for(lambda at=phase: drill_is_past(live, run, at), timeout=150, message=f"it is {phase}")
        kill_who_steers(live, wait_for)
    [(outcome, figures)] = rows(live, "SELECT outcome, figures FROM admin_portal_drillrun WHERE id = %s", run)
    assert outcome in {"passed", "failed", "interrupted"}
    assert figures, "it says what it saw"
    open_stages = "SELECT id FROM channels_stage WHERE id = %s AND closed_at IS NULL AND closes_at > now()"
    assert (rows(live, open_stages, run), pins_in_force(live)) == ([], set())


def test_a_drill_goes_on_or_is_restored_whenever_those_who_steer_are_killed(
    company: Company, wait_for: WaitFor, live_stack: LiveStack
) -> None:
    for _ in range(TIMES):
        play(live_stack, begin_drill(company), wait_for)
    assert_audit_is_whole(live_stack)
