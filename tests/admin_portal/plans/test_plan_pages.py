"""The pages of plans: the list, one plan, writing it, its versions, its proposals, and the end of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from admin_portal import navigation
from admin_portal.models import Plan, PlanProposal
from admin_portal.plans import editing
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import signed_in
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
LIST = "/admin/admin_portal/plan/"
ADD = "/admin/admin_portal/plan/add/"
SLOW = '{metric: success_rate, target: "channel:sms", below: 0.5, for: 30s}'


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def filled(**values: Any) -> dict[str, Any]:
    """The form as somebody fills it in."""
    form = {"name": "slow-sms", "title": "SMS is slow", "owner": "chen", "steps": stage.TWO_ACTIONS, "trigger": ""}
    return {**form, "runbook": "## When", "rehearse_every_days": "30", **values}


def url(name: str, plan: Plan, *args: Any) -> str:
    return reverse(f"admin:admin_portal_plan_{name}", args=(plan.pk, *args))


def shown(client: Client, plan: Plan) -> str:
    return client.get(url("change", plan)).content.decode()


def posted(client: Client, to: str, **values: Any) -> str:
    """What is said after a form was sent."""
    return client.post(to, values, follow=True).content.decode()


# --- looking ----------------------------------------------------------------------------------------------------------


def test_a_plan_shows_its_steps_in_words_its_trigger_and_its_runbook() -> None:
    plan = stage.plan(trigger=SLOW, runbook="## When\n\n1. *Call* them.")
    text = shown(signed_in(stage.runner()), plan)
    assert "Hold bulk back on sms" in text
    assert "sms: success rate &lt; 50.0% for 30 s" in text
    assert "<em>Call</em> them." in text


def test_the_list_says_what_is_overdue_what_is_proposed_and_what_is_retired_which_comes_last() -> None:
    overdue, proposed, retired = stage.plan(name="b"), stage.plan(name="c"), stage.plan(name="a")
    Plan.objects.filter(pk=overdue.pk).update(created_at=now() - timedelta(days=91))
    PlanProposal.objects.create(plan=proposed, at=now(), words="sms is slow")
    editing.retire(plan_id=retired.pk, by=stage.author(), origin=ORIGIN, now=now())
    text = signed_in(stage.runner()).get(LIST).content.decode()
    marks = re.findall(r">\s*(rehearsal overdue|proposed|retired)\s*<", text)
    assert marks == ["rehearsal overdue", "proposed", "retired"]


def test_a_run_that_is_on_its_way_is_linked_from_its_plan() -> None:
    run, client = stage.started(), signed_in(stage.runner())
    assert f"/admin/admin_portal/planrun/{run.pk}/change/" in shown(client, run.plan)


def test_every_version_can_be_read() -> None:
    plan = stage.plan()
    editing.edit(plan_id=plan.pk, version=1, draft=stage.draft(stage.ASKS), by=stage.author(), origin=ORIGIN, now=now())
    client = signed_in(stage.runner())
    assert "Wait 1 min" in client.get(url("version", plan, 1)).content.decode()
    assert "Does the provider confirm it?" in client.get(url("version", plan, 2)).content.decode()
    assert client.get(url("version", plan, 3)).status_code == 404
    assert client.get(url("version", plan, 10**18)).status_code == 404


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_written_on_its_page() -> None:
    assert "Saved." in posted(signed_in(stage.author()), ADD, **filled())
    plan = Plan.objects.get()
    assert (plan.name, plan.rehearse_every_days, plan.versions.get().source) == ("slow-sms", 30, stage.TWO_ACTIONS)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "no slug"}, "Letters, digits, hyphens and underscores only, at most 64."),
        ({"name": ""}, "Letters, digits, hyphens and underscores only, at most 64."),
        ({"title": " "}, "Give it a title of at most 120 characters."),
        ({"owner": "nobody"}, "There is no user “nobody”."),
        ({"steps": ""}, "Write a list of steps"),
        ({"steps": "- do: explode"}, "Step 1: There is no action “explode”"),
        ({"steps": '- {do: pause, target: "channel:fax"}'}, "There is no target “channel:fax”."),
        ({"steps": "- &a x\n- *a"}, "Aliases (“*name”) are not read here: write it out."),
        ({"trigger": "{metric: mood}"}, "There is no figure “mood”"),
        ({"runbook": "x" * 50_001}, "Write at most 50000 characters."),
        ({"rehearse_every_days": "0"}, "It is to be rehearsed every 1 to 3650 days."),
        ({"rehearse_every_days": "x"}, "Enter a whole number."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_written(values: dict[str, str], words: str) -> None:
    text = posted(signed_in(stage.author()), ADD, **filled(**values))
    (field,) = values
    block = text[text.index(f'data-field="{field}"') :]
    assert words in block[: block.find("data-field=", 1)]
    assert not Plan.objects.exists()


def test_a_form_that_is_sent_twice_writes_one_plan_and_says_so() -> None:
    client = signed_in(stage.author())
    posted(client, ADD, **filled())
    assert "There is a plan “slow-sms” already." in posted(client, ADD, **filled())
    assert Plan.objects.get().versions.count() == 1


def test_an_edit_is_a_new_version_and_of_two_who_edit_at_once_the_second_is_told() -> None:
    plan, client = stage.plan(), signed_in(stage.author())
    form = filled(version="1", steps=stage.ASKS, note="asks first")
    assert "Saved as version 2." in posted(client, url("edit", plan), **form)
    assert "Somebody wrote version 2 meanwhile." in posted(client, url("edit", plan), **form)
    assert plan.versions.count() == 2


def test_an_edit_that_does_not_say_what_it_saw_changes_nothing() -> None:
    plan, client = stage.plan(), signed_in(stage.author())
    assert "Somebody wrote version 1 meanwhile." in posted(client, url("edit", plan), **filled(version=""))
    assert plan.versions.count() == 1


def test_who_edits_while_a_run_is_on_is_told_that_it_keeps_its_version() -> None:
    run, client = stage.started(), signed_in(stage.author())
    assert "it keeps version 1" in client.get(url("edit", run.plan)).content.decode()
    form = filled(version="1", steps=stage.ASKS)
    text = posted(client, url("edit", run.plan), **form)
    assert f"run #{run.pk} of “SMS is slow” is on its way: it keeps version 1." in text
    assert stage.states(run) == ["done", "under_way", "waiting"]


def test_a_plan_is_retired_once() -> None:
    plan, client = stage.plan(), signed_in(stage.author())
    assert "Retired." in posted(client, url("retire", plan))
    assert "This plan is retired." in posted(client, url("retire", plan))
    assert "Run this plan" not in shown(client, plan)
    assert "This plan is retired." in posted(client, url("edit", plan), **filled(version="1"))


@pytest.mark.parametrize("page", ["edit", "retire", "dismiss", "run"])
def test_who_may_only_look_can_do_nothing_by_hand(page: str) -> None:
    plan, viewer = stage.plan(), signed_in(scene.person("kim", "view_plan"))
    text = shown(viewer, plan)
    assert "Run this plan" not in text
    assert f"/{page}/" not in text
    assert viewer.post(url(page, plan), filled(version="1")).status_code == 403
    assert plan.versions.count() == 1


# --- proposals --------------------------------------------------------------------------------------------------------


def test_a_proposal_is_dismissed_once_and_a_forged_one_is_over() -> None:
    plan, client = stage.plan(), signed_in(stage.runner())
    proposal = PlanProposal.objects.create(plan=plan, at=now(), words="sms: success rate < 50%")
    assert "sms: success rate &lt; 50%" in shown(client, plan)
    for forged in ("", "x", "0", "9" * 30):
        assert "This proposal is over already." in posted(client, url("dismiss", plan), proposal=forged)
    assert "Dismissed." in posted(client, url("dismiss", plan), proposal=proposal.pk)
    assert "This proposal is over already." in posted(client, url("dismiss", plan), proposal=proposal.pk)
    proposal.refresh_from_db()
    assert proposal.closed_by == "wang"


# --- around it --------------------------------------------------------------------------------------------------------


def test_the_board_leads_from_what_is_in_force_to_the_run_that_put_it_there() -> None:
    run = stage.started()
    other = stage.ask(stage.plan('- {do: shed_bulk, target: "channel:email"}', name="slow-mail"))
    pin = run.steps.get(position=0).pin_id
    scene.grant(stage.runner(), "view_board")
    client = signed_in(stage.runner())
    link = f"/admin/admin_portal/planrun/?steps__pin_id={pin}"
    assert link in client.get("/admin/").content.decode()
    text = client.get(link).content.decode()
    assert f"planrun/{run.pk}/change/" in text
    assert f"planrun/{other.pk}/change/" not in text


def test_the_sidebar_says_how_many_runs_wait_for_this_person() -> None:
    stage.ask(stage.plan())
    li = scene.approver("li")
    scene.grant(li, "view_planrun")
    request = RequestFactory().get("/admin/")
    request.user = li
    found = {item["title"]: item["badge"] for group in navigation.sidebar(request) for item in group["items"]}
    assert found["Runs of plans"] == 1
