"""A plan that a drill rehearses."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.urls import reverse

from admin_portal.drills import controls, running
from admin_portal.drills import editing as drills
from admin_portal.models import Drill, DrillRun, Plan, PlanRun
from admin_portal.plans import editing as plans
from channels.degradation import pins
from channels.models import DegradationEvent
from channels.names import PinSource, staged
from tests.admin_portal.drills import scene
from tests.admin_portal.drills.scene import ORIGIN
from tests.admin_portal.plans import stage
from tests.admin_portal.steering.scene import signed_in
from tests.factories import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]

DISABLES = """
- {do: disable_provider, target: "provider:sms-a"}
- wait: 5s
"""


def _in_the_fault(source: str = DISABLES) -> DrillRun:
    """A drill with a plan of ``source``, in the middle of its fault."""
    scene.set_up()
    plan = stage.plan(source)
    begin = now() - timedelta(seconds=44)
    run = scene.start(scene.drill(plan=plan.name), at=begin)
    return scene.pass_time(run, since=begin, until=begin + timedelta(seconds=25))


def _to_its_report(run: DrillRun) -> DrillRun:
    assert run.opened_at is not None
    run = scene.pass_time(run, since=run.opened_at + timedelta(seconds=26), until=run.opened_at + timedelta(seconds=43))
    return scene.pass_time(run, since=now(), until=now())


def test_its_plan_runs_on_the_stage_without_approval_when_the_fault_begins() -> None:
    run = _in_the_fault()
    plan_run = PlanRun.objects.get()
    assert (plan_run.drill_id, plan_run.state, plan_run.approvals_needed) == (run.pk, "active", 0)
    assert {one.source for one in pins.known(now=now())} == {PinSource.DRILL}


def test_its_run_says_that_nobody_real_is_reached_and_leads_to_the_drill() -> None:
    run = _in_the_fault()
    plan_run, client = PlanRun.objects.get(), signed_in(stage.runner("sun"))
    text = client.get(reverse("admin:admin_portal_planrun_change", args=(plan_run.pk,))).content.decode()
    assert "A rehearsal: it plays on the stage of a drill, and nobody real is reached." in text
    assert reverse("admin:admin_portal_drillrun_change", args=(run.pk,)) in text
    assert "rehearsal" in client.get(reverse("admin:admin_portal_planrun_changelist")).content.decode()


def test_a_run_in_earnest_is_not_called_a_rehearsal() -> None:
    scene.set_up()
    plan_run, client = stage.ask(stage.plan()), signed_in(stage.runner("sun"))
    for url in (
        reverse("admin:admin_portal_planrun_change", args=(plan_run.pk,)),
        reverse("admin:admin_portal_planrun_changelist"),
    ):
        assert "rehearsal" not in client.get(url).content.decode()


def test_a_plan_whose_steps_were_all_done_is_rehearsed() -> None:
    run = _to_its_report(_in_the_fault())
    assert run.figures["plan"] == ""
    assert run.outcome == "passed", run.findings
    assert Plan.objects.get().rehearsed_at is not None


def test_nothing_of_the_plan_is_in_force_after_the_drill() -> None:
    _to_its_report(_in_the_fault())
    assert list(pins.known(now=now())) == []
    assert PlanRun.objects.get().state == "ended"


def test_an_abort_takes_back_what_the_plan_had_in_force() -> None:
    run = _in_the_fault()
    controls.abort(run_id=run.pk, by=scene.runner(), origin=ORIGIN, reason="enough", now=now())
    assert list(pins.known(now=now())) == []
    assert PlanRun.objects.get().end == "aborted"


def test_a_question_that_nobody_answered_fails_the_drill_and_the_plan_is_not_rehearsed() -> None:
    run = _to_its_report(_in_the_fault("- ask: Is the provider well?\n"))
    assert run.outcome == "failed"
    assert run.figures["plan"] == "Is the provider well?"
    assert Plan.objects.get().rehearsed_at is None


def test_a_run_keeps_the_plan_as_it_was_when_it_started_whatever_is_edited_meanwhile() -> None:
    scene.set_up()
    plan, other = stage.plan(DISABLES), stage.plan("- ask: Is it well?", name="other")
    drill, begin = scene.drill(plan=plan.name), now() - timedelta(seconds=44)
    run = scene.start(drill, at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=5))
    draft = stage.draft("- ask: Is it?")
    plans.edit(plan_id=plan.pk, version=1, draft=draft, by=stage.author(), origin=ORIGIN, now=now())
    given = {"drill_id": drill.pk, "seen_at": drill.changed_at, "by": scene.runner(), "origin": ORIGIN, "now": now()}
    drills.edit(draft=scene.draft(plan=other.name), **given)
    run = scene.pass_time(run, since=begin + timedelta(seconds=6), until=begin + timedelta(seconds=25))
    rehearsal = PlanRun.objects.get()
    assert (rehearsal.plan, rehearsal.version.number) == (plan, 1)
    assert _to_its_report(run).outcome == "passed"
    assert {one.name for one in Plan.objects.exclude(rehearsed_at=None)} == {plan.name}


def test_a_drill_whose_plan_is_retired_by_its_time_does_not_begin_and_says_why() -> None:
    scene.set_up()
    plan = stage.plan(DISABLES)
    drill = scene.drill(plan=plan.name, every_days=7, at=time(3))
    plans.retire(plan_id=plan.pk, by=stage.author(), origin=ORIGIN, now=now())
    Drill.objects.filter(pk=drill.pk).update(next_at=now())
    running.run_due(now=now())
    run = DrillRun.objects.get()
    assert (run.outcome, run.opened_at, run.is_live) == ("interrupted", None, False)
    assert "plan is retired" in str(run.end_reason)


def test_that_the_engine_takes_note_of_an_order_of_the_plan_is_no_finding_of_its_own() -> None:
    run = _in_the_fault()
    assert run.faulty_from is not None
    DegradationEvent.objects.create(
        target=f"channel:{staged('sms')}",
        before="normal",
        after="switched",
        share_before=1.0,
        share_after=0.0,
        reason="switch by wang (drill)",
        figures={},
        source=PinSource.DRILL,
        at=run.faulty_from + timedelta(seconds=2),
    )
    figures = _to_its_report(run).figures
    assert "channel:sms" not in {one["target"] for one in figures["changes"]}
    assert "channel:sms" not in figures["still"]
