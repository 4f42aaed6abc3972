"""The pages of a run: asking, approving, watching it go, and what the buttons do, as people and as forgers use them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from admin_portal.models import Plan, PlanRun
from admin_portal.plans import editing, running
from admin_portal.steering.approval import Severity
from channels.models import Provider
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import signed_in
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def filled(**values: Any) -> dict[str, Any]:
    """The form as somebody fills it in."""
    form = {"token": str(uuid4()), "version": 1, "severity": "medium", "reason": "sms is slow", "lasts": "60"}
    return {**form, "step": "send", **values}


def ask_url(plan: Plan) -> str:
    return reverse("admin:admin_portal_plan_run", args=(plan.pk,))


def sent(client: Client, plan: Plan, **values: Any) -> str:
    """What is said after a run was asked for."""
    return client.post(ask_url(plan), filled(**values), follow=True).content.decode()


def shown(client: Client, run: PlanRun) -> str:
    """The page of a run."""
    return client.get(reverse("admin:admin_portal_planrun_change", args=(run.pk,))).content.decode()


def press(client: Client, run: PlanRun, verb: str, **values: Any) -> str:
    """What the page says after a button was pressed."""
    url = reverse("admin:admin_portal_planrun_do", args=(run.pk, verb))
    return client.post(url, values, follow=True).content.decode()


def approver(name: str = "li") -> User:
    return scene.approver(name)


# --- asking -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_each_step_would_do_before_anything_is_asked_for() -> None:
    plan = stage.plan()
    text = signed_in(stage.runner()).get(ask_url(plan)).content.decode()
    assert "1. Hold bulk back on sms" in text
    assert text.count("A forecast from the last hour") == 2
    assert not PlanRun.objects.exists()


def test_a_run_is_asked_for_and_waits_for_its_approver() -> None:
    approver()
    assert "1 approval is missing." in sent(signed_in(stage.runner()), stage.plan())
    run = PlanRun.objects.get()
    assert (run.state, run.reason, run.lasts_s) == ("pending", "sms is slow", 3600)


def test_a_form_that_is_sent_twice_asks_once_and_says_so() -> None:
    client, plan, token = signed_in(stage.runner()), stage.plan(), str(uuid4())
    sent(client, plan, token=token)
    assert "This form was sent before" in sent(client, plan, token=token)
    assert PlanRun.objects.count() == 1


def test_a_used_form_with_something_else_in_it_is_refused() -> None:
    client, plan, token = signed_in(stage.runner()), stage.plan(), str(uuid4())
    sent(client, plan, token=token)
    assert "This form has been used already." in sent(client, plan, token=token, reason="another")
    assert PlanRun.objects.get().reason == "sms is slow"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reason": "   "}, "This field is required."),
        ({"reason": "x" * 2001}, "at most 2000 characters"),
        ({"lasts": "1"}, "Select a valid choice"),
        ({"severity": "none"}, "Select a valid choice"),
        ({"token": "no token"}, "Enter a valid UUID."),
        ({"version": "x"}, "Enter a whole number."),
        ({"version": "2"}, "This plan was changed meanwhile"),
        ({"version": "9" * 30}, "Ensure this value is less than"),
    ],
)
def test_what_is_wrong_with_the_form_is_said_and_nothing_is_asked_for(values: dict[str, Any], words: str) -> None:
    assert words in sent(signed_in(stage.runner()), stage.plan(), **values)
    assert not PlanRun.objects.exists()


def test_a_run_that_leaves_critical_messages_no_way_takes_a_second_confirmation() -> None:
    client, plan = signed_in(stage.runner()), stage.plan('- {do: pause, target: "channel:sms"}')
    assert 'name="stranding_confirmed"' in client.get(ask_url(plan)).content.decode()
    assert "Confirm that this is meant" in sent(client, plan, severity="high")
    assert not PlanRun.objects.exists()
    sent(client, plan, severity="high", stranding_confirmed="yes")
    assert PlanRun.objects.get().stranding_confirmed


def test_of_a_plan_that_can_not_be_done_the_page_says_why() -> None:
    plan = stage.plan()
    Provider.objects.filter(name="sms-a").delete()
    text = signed_in(stage.runner()).get(ask_url(plan)).content.decode()
    assert "Step 3: There is no target “provider:sms-a”." in text


def test_who_may_only_look_is_refused_the_form() -> None:
    plan, client = stage.plan(), signed_in(scene.person("kim", "view_plan"))
    assert client.get(ask_url(plan)).status_code == 403
    assert client.post(ask_url(plan), filled()).status_code == 403
    assert not PlanRun.objects.exists()


# --- approving --------------------------------------------------------------------------------------------------------


def test_an_approver_sees_what_it_would_do_and_approves() -> None:
    run, client = stage.ask(stage.plan()), signed_in(approver())
    text = shown(client, run)
    assert "Predicted effect" in text
    assert "it is slow" in text
    assert "Approved. It begins by itself." in press(client, run, "approve")
    running.run_due(now=now())
    assert stage.pinned() == ["shed_bulk channel:sms"]


def test_approving_twice_says_so_and_counts_once() -> None:
    source = '- {do: pause, target: "category:news"}'
    run = stage.ask(stage.plan(source), severity=Severity.HIGH, stranding_confirmed=True)
    client = signed_in(approver())
    press(client, run, "approve")
    assert "You have approved this already." in press(client, run, "approve")
    assert stage.fresh(run).state == "pending"


def test_the_requester_is_not_offered_to_approve_and_a_forged_post_changes_nothing() -> None:
    wang = stage.runner()
    scene.grant(wang, "approve_degradation")
    run, client = stage.ask(stage.plan()), signed_in(wang)
    assert "/do/approve/" not in shown(client, run)
    assert "Nobody approves a request of their own." in press(client, run, "approve")
    assert stage.fresh(run).state == "pending"


def test_approving_what_was_just_withdrawn_says_so() -> None:
    run, client = stage.ask(stage.plan()), signed_in(approver())
    assert "Withdrawn." in press(signed_in(stage.runner()), run, "withdraw")
    assert "It has been withdrawn." in press(client, run, "approve")
    assert stage.fresh(run).state == "withdrawn"


def test_a_run_is_rejected_with_a_reason() -> None:
    run, client = stage.ask(stage.plan()), signed_in(approver())
    assert "Say why." in press(client, run, "reject")
    assert "Rejected." in press(client, run, "reject", reason="it is not slow")
    assert (stage.fresh(run).state, stage.fresh(run).end_reason) == ("rejected", "it is not slow")


@pytest.mark.parametrize(
    "verb",
    ["approve", "reject", "withdraw", "break", "pause", "resume", "skip", "abort", "review_fine", "review_wrong"],
)
def test_a_viewer_is_offered_nothing_and_may_do_nothing_by_hand(verb: str) -> None:
    run = stage.started()
    viewer = signed_in(scene.person("kim", "view_planrun"))
    assert "/do/" not in shown(viewer, run)
    url = reverse("admin:admin_portal_planrun_do", args=(run.pk, verb))
    assert viewer.post(url, {"reason": "because", "position": 1}).status_code == 403
    assert stage.states(run) == ["done", "under_way", "waiting"]


def test_buttons_are_pressed_by_post_alone_and_from_our_own_pages() -> None:
    run, li = stage.ask(stage.plan()), approver()
    url = reverse("admin:admin_portal_planrun_do", args=(run.pk, "approve"))
    assert signed_in(li).get(url).status_code == 405
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(li)
    assert elsewhere.post(url).status_code == 403
    assert stage.fresh(run).state == "pending"


def test_the_list_shows_first_what_waits_for_this_person() -> None:
    stage.ask(stage.plan(name="first"))
    stage.approve(stage.ask(stage.plan('- {do: shed_bulk, target: "channel:email"}', name="second")))
    text = signed_in(approver("zhou")).get(reverse("admin:admin_portal_planrun_changelist")).content.decode()
    assert text.count("waits for you") == 1


# --- live -------------------------------------------------------------------------------------------------------------


def standing(client: Client, run: PlanRun, stamp: str = "") -> Any:
    url = reverse("admin:admin_portal_planrun_standing", args=(run.pk,))
    return client.get(url, {"stamp": stamp} if stamp else {})


def stamp_of(text: str) -> str:
    found = re.search(r'id="run-stamp" name="stamp" value="([^"]*)"', text)
    assert found
    return found[1]


def test_each_step_shows_how_far_it_is_and_what_it_waits_for() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    text = shown(client, run)
    assert "Time has to pass." in text
    assert re.search(r'class="plan-current" aria-current="step" data-step="2"', text)
    assert text.count("plan-in-force") == 1


def test_a_wait_shows_what_it_looks_at_and_what_it_sees() -> None:
    waits = '- wait: {until: {metric: depth, target: "channel:sms", above: 5000}, at_most: 5m}'
    run = stage.started(f'- {{do: shed_bulk, target: "channel:sms"}}\n{waits}')
    assert "Waits until sms: messages waiting &gt; 5,000. Now: 0." in shown(signed_in(stage.runner()), run)


def test_other_buttons_come_with_the_answer_that_changes_them_and_not_before() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    seen = stamp_of(shown(client, run))
    assert 'id="run-buttons"' not in standing(client, run, seen).content.decode()
    press(client, run, "pause")
    text = standing(client, run, seen).content.decode()
    assert 'id="run-buttons" hx-swap-oob="true"' in text
    assert "/do/resume/" in text


def test_the_buttons_come_before_the_forecast_once_it_is_too_late_for_one() -> None:
    run, client = stage.ask(stage.plan()), signed_in(stage.runner())
    assert "portal-soon" not in shown(client, run)
    seen = stamp_of(shown(client, run))
    stage.approve(run)
    running.run_due(now=now())
    assert re.search(r'class="portal-card portal-soon" id="run-buttons"', shown(client, run))
    assert "portal-soon" in standing(client, run, seen).content.decode()


def test_the_form_that_skips_is_told_which_step_it_is_without_being_written_anew() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    text = shown(client, run)
    assert text.count('id="skip-position"') == 1
    answer = standing(client, run, stamp_of(text)).content.decode()
    assert re.search(r'id="skip-position" name="position" value="1" hx-swap-oob="true"', answer)
    viewer = signed_in(scene.person("kim", "view_planrun"))
    assert "skip-position" not in standing(viewer, run, stamp_of(shown(viewer, run))).content.decode()


def test_a_run_that_is_over_is_asked_for_no_more() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    assert standing(client, run).status_code == 200
    press(client, run, "abort", reason="it is well")
    assert standing(client, run).status_code == 286


def test_pause_resume_and_skip_do_what_they_say() -> None:
    run, client = stage.started(stage.ASKS), signed_in(stage.runner())
    assert "Does the provider confirm it?" in shown(client, run)
    assert "It goes on." in press(client, run, "resume")
    running.run_due(now=now())
    assert stage.pinned() == ["shed_bulk channel:sms", "disable provider:sms-a"]
    assert "All its steps are done; it can only be ended." in press(client, run, "pause")


def test_a_step_that_is_not_the_one_the_page_showed_is_not_skipped() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    for position in ("0", "", "x", "-1", "9" * 30):
        assert "It has gone on meanwhile" in press(client, run, "skip", position=position)
    assert stage.states(run) == ["done", "under_way", "waiting"]
    assert "Skipped." in press(client, run, "skip", position=1)
    assert stage.states(run)[1] == "skipped"


def test_an_abort_takes_a_reason_and_reverts() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    assert "Say why." in press(client, run, "abort", reason=" ")
    assert stage.pinned() == ["shed_bulk channel:sms"]
    assert "Aborted: what was in force is reverted." in press(client, run, "abort", reason="it is well again")
    assert stage.pinned() == []
    assert "It is not in force" in press(client, run, "abort", reason="again")


def test_a_run_keeps_its_version_when_the_plan_is_edited_and_says_so() -> None:
    run = stage.started()
    editing.edit(
        plan_id=run.plan_id, version=1, draft=stage.draft(stage.ASKS), by=stage.author(), origin=ORIGIN, now=now()
    )
    text = shown(signed_in(stage.runner()), run)
    assert "The plan is at version 2 by now; this run keeps its own." in text
    assert "Does the provider confirm it?" not in text
    running.run_due(now=now() + timedelta(seconds=61))
    assert stage.pinned(now() + timedelta(seconds=61)) == ["shed_bulk channel:sms", "disable provider:sms-a"]


def test_script_in_a_reason_a_question_and_a_runbook_is_text() -> None:
    source = f'- ask: "{SCRIPT}"\n- {{do: shed_bulk, target: "channel:sms"}}'
    plan = stage.plan(source, runbook=SCRIPT, title=SCRIPT)
    run = stage.approve(stage.ask(plan, reason=SCRIPT))
    running.run_due(now=now())
    client = signed_in(stage.runner())
    scene.grant(stage.runner(), "edit_plan")
    pages = [shown(client, run), standing(client, run).content.decode()]
    pages += [
        client.get(reverse(f"admin:admin_portal_plan_{page}", args=(plan.pk,))).content.decode()
        for page in ("change", "run", "edit")
    ]
    for text in pages:
        assert "&lt;script&gt;alert(1)" in text
        assert SCRIPT not in text


# --- break-glass ------------------------------------------------------------------------------------------------------


def test_a_broken_glass_begins_at_once_and_shows_until_another_has_reviewed_it() -> None:
    zhao = scene.person("zhao", "run_plan", "break_glass", "view_planrun")
    client, plan = signed_in(zhao), stage.plan()
    text = sent(client, plan, step="break", break_reason="customers get no codes")
    assert "Applied without approval by zhao" in text
    run = PlanRun.objects.get()
    running.run_due(now=now())
    assert stage.pinned() == ["shed_bulk channel:sms"]
    li = signed_in(approver())
    assert "waits for you" in li.get(reverse("admin:admin_portal_planrun_changelist")).content.decode()
    assert "Reviewed." in press(li, run, "review_fine", reason="there was no other way")
    assert "Review: reviewed, by li." in shown(li, run)


def test_a_review_that_says_no_reverts_the_run() -> None:
    zhao = scene.person("zhao", "run_plan", "break_glass", "view_planrun")
    run = stage.ask(stage.plan())
    assert "Applied at once." in press(signed_in(zhao), run, "break", reason="no codes")
    running.run_due(now=now())
    assert "Reviewed, and reverted." in press(signed_in(approver()), run, "review_wrong", reason="it could wait")
    assert stage.pinned() == []
    assert stage.fresh(run).end == "aborted"


def test_nobody_reviews_the_glass_they_broke_themselves() -> None:
    zhao = scene.person("zhao", "run_plan", "break_glass", "approve_degradation", "view_planrun")
    run, client = stage.ask(stage.plan()), signed_in(zhao)
    press(client, run, "break", reason="no codes")
    assert "Nobody reviews what they did" in press(client, run, "review_fine", reason="it was fine")
    assert stage.fresh(run).review == "due"


def test_breaking_the_glass_takes_a_reason_and_the_permission() -> None:
    zhao = scene.person("zhao", "run_plan", "break_glass", "view_planrun")
    plan = stage.plan()
    assert "Say why." in sent(signed_in(zhao), plan, step="break", break_reason="")
    assert signed_in(stage.runner()).post(ask_url(plan), filled(step="break", break_reason="x")).status_code == 403
    assert not PlanRun.objects.exists()


def test_a_run_that_leaves_no_way_is_not_begun_by_breaking_the_glass_unconfirmed() -> None:
    zhao = scene.person("zhao", "run_plan", "break_glass", "view_planrun")
    plan = stage.plan('- {do: pause, target: "channel:sms"}')
    text = sent(signed_in(zhao), plan, step="break", break_reason="no codes", severity="high")
    assert "Confirm that this is meant" in text
    assert not PlanRun.objects.exists()


def test_what_was_foretold_stays_on_the_page_when_the_run_has_begun() -> None:
    run = stage.started()
    assert PlanRun.objects.get().state == "active"
    page = shown(signed_in(stage.runner()), run)
    assert "Predicted effect" in page
    assert "A forecast from the last hour" in page
