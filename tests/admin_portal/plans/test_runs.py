"""Runs on a real database: what they do to traffic, what people can do with them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from admin_portal.models import AuditEntry, Plan, PlanRun
from admin_portal.plans import breaking, controls, editing, requests, running
from admin_portal.plans.requests import Wish
from admin_portal.steering.approval import Severity
from admin_portal.steering.errors import ConflictsWith, InvalidAction, LeavesNoWay, MoveRefused, NotPermitted
from channels.degradation import pins
from channels.models import Pin, Provider
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_an_approved_run_goes_step_by_step_and_stays_in_force() -> None:
    run = stage.approve(stage.ask(stage.plan()))
    assert (run.state, stage.pinned()) == ("approved", [])
    running.run_due(now=now())
    assert stage.states(run) == ["done", "under_way", "waiting"]
    assert stage.pinned() == ["shed_bulk channel:sms"]
    later = now() + timedelta(seconds=61)
    running.run_due(now=later)
    run = stage.fresh(run)
    assert (run.phase, stage.states(run)) == ("holding", ["done", "done", "done"])
    assert stage.pinned(later) == ["shed_bulk channel:sms", "disable provider:sms-a"]
    assert run.ends_at is not None
    assert {one.ends_at for one in Pin.objects.all()} == {run.ends_at}


def test_a_run_that_nobody_approved_does_nothing() -> None:
    run = stage.ask(stage.plan())
    assert running.run_due(now=now()) == 0
    assert (stage.fresh(run).state, stage.pinned()) == ("pending", [])


def test_a_run_that_nobody_approves_in_time_lapses() -> None:
    run = stage.ask(stage.plan())
    running.run_due(now=now() + timedelta(hours=25))
    assert stage.fresh(run).state == "lapsed"


def test_the_step_that_needs_most_approvers_counts() -> None:
    source = '- {do: shed_bulk, target: "channel:sms"}\n- {do: pause, target: "category:news"}'
    run = stage.ask(stage.plan(source), severity=Severity.HIGH, stranding_confirmed=True)
    assert run.approvals_needed == 2
    assert stage.approve(run, "li").state == "pending"
    assert stage.approve(run, "zhou").state == "approved"


def test_where_the_rules_ask_for_nobody_a_run_begins_by_itself() -> None:
    run = stage.ask(stage.plan('- {do: shed_bulk, target: "channel:sms"}'), severity=Severity.LOW)
    running.run_due(now=now())
    assert stage.fresh(run).phase == "holding"


def test_an_abort_reverts_everything_at_once() -> None:
    run = stage.started()
    running.run_due(now=now() + timedelta(seconds=61))
    controls.abort(run_id=run.pk, by=stage.runner(), origin=ORIGIN, reason="it is well again", now=now())
    run = stage.fresh(run)
    assert (run.state, run.end, run.ended_by, run.end_reason) == ("ended", "aborted", "wang", "it is well again")
    assert stage.pinned() == []
    assert stage.audited()[-4:] == ["run.abort_ordered", "run.step_reverted", "run.step_reverted", "run.ended"]


def test_a_paused_run_goes_on_when_it_is_resumed() -> None:
    run = stage.started()
    controls.pause(run_id=run.pk, by=stage.runner(), origin=ORIGIN, now=now())
    later = now() + timedelta(minutes=10)
    assert running.run_due(now=later) == 0
    controls.resume(run_id=run.pk, by=stage.runner(), origin=ORIGIN, now=later)
    running.run_due(now=later + timedelta(seconds=61))
    assert stage.fresh(run).phase == "holding"


def test_a_question_is_answered_by_resuming() -> None:
    run = stage.started(stage.ASKS)
    assert (run.phase, run.pause_reason) == ("paused", "Does the provider confirm it?")
    controls.resume(run_id=run.pk, by=stage.runner(), origin=ORIGIN, now=now())
    running.run_due(now=now())
    assert stage.pinned() == ["shed_bulk channel:sms", "disable provider:sms-a"]


def test_a_step_is_skipped_by_one_of_two_who_skip_it_at_once() -> None:
    run = stage.started(stage.ASKS)
    controls.skip(run_id=run.pk, position=1, by=stage.runner(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused) as refused:
        controls.skip(run_id=run.pk, position=1, by=stage.runner(), origin=ORIGIN, now=now())
    assert refused.value.code == "gone_on"
    assert stage.states(run) == ["done", "skipped", "waiting"]


def test_a_step_that_can_not_be_done_pauses_the_run_and_says_why() -> None:
    run = stage.started()
    Provider.objects.filter(name="sms-a").delete()
    running.run_due(now=now() + timedelta(seconds=61))
    run = stage.fresh(run)
    assert (run.phase, stage.states(run)) == ("paused", ["done", "done", "failed"])
    assert "provider:sms-a" in str(run.pause_reason)
    assert stage.pinned() == ["shed_bulk channel:sms"]


def test_a_target_that_is_deleted_while_it_is_in_force_is_said_and_nothing_else_is_touched() -> None:
    run = stage.started('- {do: disable_provider, target: "provider:sms-a"}\n- ask: Well?')
    Provider.objects.filter(name="sms-a").delete()
    running.run_due(now=now())
    assert stage.states(run) == ["lost", "under_way"]
    assert AuditEntry.objects.filter(action="plan.run.target_gone").count() == 1
    assert stage.pinned() == []


def test_a_run_ends_with_its_time() -> None:
    run = stage.started()
    over = now() + timedelta(hours=1)
    running.run_due(now=over)
    assert (stage.fresh(run).end, stage.pinned(over)) == ("expired", [])


def test_a_plan_edited_while_it_runs_leaves_the_run_its_version() -> None:
    run = stage.started()
    editing.edit(
        plan_id=run.plan_id, version=1, draft=stage.draft("- wait: 1s"), by=stage.author(), origin=ORIGIN, now=now()
    )
    running.run_due(now=now() + timedelta(seconds=61))
    assert (stage.fresh(run).version.number, len(stage.states(run))) == (1, 3)


def test_of_a_plan_there_is_one_run_at_a_time() -> None:
    plan = stage.plan()
    run = stage.ask(plan)
    with pytest.raises(MoveRefused) as refused:
        stage.ask(plan)
    assert refused.value.code == "runs_already"
    twin = PlanRun.objects.get(pk=run.pk)
    twin.pk, twin.form_token = None, uuid4()
    with transaction.atomic(), pytest.raises(IntegrityError, match="portal_plan_runs_once"):
        twin.save(force_insert=True)


def test_a_form_that_is_sent_twice_makes_one_run() -> None:
    plan, token = stage.plan(), uuid4()
    wish = Wish(version=1, reason="slow", severity=Severity.MEDIUM, lasts=timedelta(hours=1))
    runs = {
        requests.ask(plan_id=plan.pk, wish=wish, form_token=token, by=stage.runner(), origin=ORIGIN, now=now()).pk
        for _ in range(2)
    }
    assert len(runs) == 1


def test_what_would_leave_critical_messages_without_a_way_is_to_be_confirmed() -> None:
    plan = stage.plan('- {do: pause, target: "priority:critical"}')
    with pytest.raises(LeavesNoWay):
        stage.ask(plan)
    with pytest.raises(InvalidAction):
        stage.ask(plan, stranding_confirmed=True)
    assert stage.ask(plan, stranding_confirmed=True, severity=Severity.HIGH).state == "pending"


def test_a_run_conflicts_with_a_degradation_in_force() -> None:
    scene.approve(scene.submitted(scene.operator("sun")), scene.approver("li"))
    with pytest.raises(ConflictsWith):
        stage.ask(stage.plan())


def test_a_degradation_conflicts_with_what_a_run_has_in_force() -> None:
    run = stage.started()
    sun = scene.operator("sun")
    with pytest.raises(ConflictsWith) as refused:
        scene.submitted(sun, scene.terms(scene.PAUSE_SMS, severity=Severity.HIGH, stranding_confirmed=True))
    assert f"#{run.pk}" in refused.value.other


def test_a_degradation_that_came_in_between_stops_the_step_not_the_run() -> None:
    run = stage.started()
    scene.approve(scene.submitted(scene.operator("sun")), User.objects.get(username="li"))
    running.run_due(now=now() + timedelta(seconds=61))
    assert stage.states(run)[2] == "failed"
    assert "#" in str(stage.fresh(run).pause_reason)


@pytest.mark.parametrize("lasts", [timedelta(0), timedelta(minutes=14), timedelta(days=8)])
def test_a_run_lasts_between_a_quarter_of_an_hour_and_a_week(lasts: timedelta) -> None:
    plan = stage.plan()
    with pytest.raises(InvalidAction):
        stage.ask(plan, lasts=lasts)
    assert not PlanRun.objects.exists()


def test_who_saw_an_older_version_looks_again() -> None:
    plan = stage.plan()
    editing.edit(plan_id=plan.pk, version=1, draft=stage.draft(), by=stage.author(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused) as refused:
        stage.ask(plan, version=1)
    assert refused.value.code == "outdated"


def test_of_two_editors_the_slower_looks_again() -> None:
    plan = stage.plan()
    edit = partial(editing.edit, plan_id=plan.pk, version=1, by=stage.author(), origin=ORIGIN, now=now())
    edit(draft=stage.draft())
    with pytest.raises(MoveRefused) as refused:
        edit(draft=stage.draft(stage.ASKS))
    assert refused.value.code == "outdated"
    assert plan.versions.count() == 2


def test_nobody_approves_their_own_run() -> None:
    run = stage.ask(stage.plan())
    scene.grant(stage.runner(), "approve_degradation")
    with pytest.raises(MoveRefused) as refused:
        stage.approve(run, "wang")
    assert refused.value.code == "own_request"


def test_who_lost_the_permission_approves_nothing() -> None:
    run = stage.ask(stage.plan())
    li = scene.approver("li")
    li.user_permissions.clear()
    with pytest.raises(NotPermitted):
        stage.approve(run, "li")
    assert stage.fresh(run).state == "pending"


def test_a_withdrawn_run_is_approved_by_nobody() -> None:
    run = stage.ask(stage.plan())
    requests.withdraw(run_id=run.pk, by=stage.runner(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused):
        stage.approve(run)
    assert running.run_due(now=now()) == 0


def test_a_rejected_run_says_why() -> None:
    run = stage.ask(stage.plan())
    requests.reject(run_id=run.pk, by=scene.approver("li"), origin=ORIGIN, reason="not now", now=now())
    assert (stage.fresh(run).state, stage.fresh(run).end_reason) == ("rejected", "not now")


@pytest.mark.parametrize(
    "act",
    [
        lambda run, by: editing.edit(
            plan_id=run.plan_id, version=1, draft=stage.draft(), by=by, origin=ORIGIN, now=now()
        ),
        lambda run, by: stage.ask(run.plan, by=by),
        lambda run, by: controls.abort(run_id=run.pk, by=by, origin=ORIGIN, reason="so", now=now()),
        lambda run, by: controls.pause(run_id=run.pk, by=by, origin=ORIGIN, now=now()),
    ],
    ids=["edit", "ask", "abort", "pause"],
)
def test_who_may_not_changes_nothing(act: Callable[[PlanRun, User], object]) -> None:
    run, nobody = stage.started(), scene.person("nobody")
    with pytest.raises(NotPermitted):
        act(run, nobody)
    assert stage.fresh(run).phase == "running"


def test_a_retired_plan_is_not_run() -> None:
    plan = stage.plan()
    editing.retire(plan_id=plan.pk, by=stage.author(), origin=ORIGIN, now=now())
    with pytest.raises(MoveRefused) as refused:
        stage.ask(plan)
    assert refused.value.code == "retired"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": " "}, "title"),
        ({"owner": "nobody-here"}, "owner"),
        ({"rehearse_every_days": 0}, "rehearse_every_days"),
        ({"trigger": "{metric: mood}"}, "trigger"),
        ({"trigger": '{metric: depth, target: "channel:fax", above: 3}'}, "trigger"),
        ({"source": "- wait: soon"}, "steps"),
    ],
)
def test_a_draft_with_a_fault_is_no_plan(values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidAction) as refused:
        stage.plan(**values)  # type: ignore[arg-type]
    assert {one.field for one in refused.value.faults} == {field}
    assert stage.audited() == []


def test_what_was_approved_and_could_not_begin_for_a_day_lapses() -> None:
    run = stage.approve(stage.ask(stage.plan()))
    running.run_due(now=now() + timedelta(hours=25))
    run = stage.fresh(run)
    assert (run.state, stage.pinned()) == ("lapsed", [])
    assert "too long ago" in str(run.end_reason)


def test_a_plan_is_not_retired_while_a_run_of_it_is_on_its_way() -> None:
    plan = stage.plan()
    stage.ask(plan)
    with pytest.raises(MoveRefused, match="on its way already"):
        editing.retire(plan_id=plan.pk, by=stage.author(), origin=ORIGIN, now=now())
    assert Plan.objects.get().retired_at is None


def test_the_predicted_effect_of_each_step_is_kept_with_the_run() -> None:
    run = stage.ask(stage.plan())
    assert [one["step"] for one in stage.fresh(run).predictions] == [1, 3]
    assert {"shifts", "held_per_s", "sampled"} <= set(stage.fresh(run).predictions[0]["effect"])


def test_a_run_begun_without_approval_keeps_the_effect_foreseen_then_and_its_orders_name_who_began_it() -> None:
    run = stage.ask(stage.plan())
    type(run).objects.update(predictions=None)
    glazier = scene.person("zhao", "break_glass", "view_planrun")
    breaking.break_glass(run_id=run.pk, by=glazier, origin=ORIGIN, reason="now", now=now())
    running.run_due(now=now())
    assert [one["step"] for one in stage.fresh(run).predictions] == [1, 3]
    assert {one.author for one in pins.active(now=now())} == {"zhao"}
