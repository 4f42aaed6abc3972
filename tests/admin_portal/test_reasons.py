"""Why something ended or is paused is said to each reader in their language, whichever the writer's was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from admin_portal.drills import running as drills_running
from admin_portal.models import AuditEntry, PlanRun
from admin_portal.plans import controls, running
from admin_portal.steering import applying
from channels.models import Provider
from tests.admin_portal.drills import scene as drill_scene
from tests.admin_portal.plans import stage
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import signed_in
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]
CHINESE = "zh-hans"
CHECKS = """
- {do: shed_bulk, target: "channel:sms"}
- check: {metric: state, target: "channel:sms", is: paused, otherwise: pause}
"""


def page(client: Client, name: str, pk: Any, *, language: str) -> str:
    """The page of a row, as somebody with this language sees it."""
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    with translation.override(language):  # a request leaves its language behind
        return client.get(reverse(f"admin:admin_portal_{name}_change", args=(pk,))).content.decode()


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_a_run_that_pauses_at_a_check_says_what_was_not_so() -> None:
    run = stage.approve(stage.ask(stage.plan(CHECKS)))
    with translation.override(CHINESE):
        running.run_due(now=now())
    assert stage.fresh(run).phase == "paused"
    client = signed_in(stage.runner())
    english = "Step 2: not so: Check that sms: state = paused; otherwise pause"
    assert english in page(client, "planrun", run.pk, language="en")
    assert "第 2 步：不成立" in page(client, "planrun", run.pk, language=CHINESE)
    assert AuditEntry.objects.get(action="plan.run.paused").reason == english


def test_a_step_that_can_not_be_done_says_so() -> None:
    run = stage.started()
    Provider.objects.filter(name="sms-a").delete()
    running.run_due(now=now() + timedelta(seconds=61))
    client = signed_in(stage.runner())
    words = {"en": "There is no target “provider:sms-a”.", CHINESE: "没有名为“provider:sms-a”的对象"}
    for language, text in words.items():
        # Once as why it is paused, once as what came of the step; the audit below it has it in English.
        assert page(client, "planrun", run.pk, language=language).count(text) >= 2


def test_a_run_that_a_degradation_stands_in_the_way_of_names_it() -> None:
    run = stage.started()
    scene.approve(scene.submitted(scene.operator("sun")), scene.approver("li2"))
    with translation.override(CHINESE):
        running.run_due(now=now() + timedelta(seconds=61))
    text = page(signed_in(stage.runner()), "planrun", run.pk, language="en")
    assert "Step 3: It conflicts with #" in text


def test_a_run_that_was_paused_without_a_word_says_by_whom() -> None:
    run = stage.started()
    with translation.override(CHINESE):
        controls.pause(run_id=run.pk, by=stage.runner(), origin=stage.ORIGIN, now=now())
    assert "paused by wang" in page(signed_in(stage.runner()), "planrun", run.pk, language="en")


def test_a_run_that_lapsed_says_why() -> None:
    run = stage.ask(stage.plan())
    running.run_due(now=now() + timedelta(hours=25))
    assert "未在期限内获得批准" in page(signed_in(stage.runner()), "planrun", run.pk, language=CHINESE)


def test_a_reason_that_was_kept_as_plain_text_is_shown() -> None:
    run = stage.started()
    PlanRun.objects.filter(pk=run.pk).update(phase="paused", pause_reason="it stood so: 50% <b>")
    assert "it stood so: 50% &lt;b&gt;" in page(signed_in(stage.runner()), "planrun", run.pk, language=CHINESE)


def test_a_request_that_could_not_begin_says_why() -> None:
    later = now() + timedelta(minutes=20)
    row = scene.submitted(scene.operator(), scene.terms(starts_at=later))
    scene.approve(row, scene.approver("li"))
    Provider.objects.filter(name="sms-a").update(enabled=False)
    with translation.override(CHINESE):
        applying.run_due(now=later)
    client = signed_in(scene.operator("sun"))
    words = {"en": "sms-a is disabled already, by its configuration.", CHINESE: "sms-a 已在配置中停用。"}
    for language, text in words.items():
        assert text in page(client, "degradationrequest", row.pk, language=language)


def test_a_drill_that_could_not_begin_says_why() -> None:
    run = drill_scene.start(drill_scene.drill())
    Provider.objects.filter(name="sms-a").delete()
    with translation.override(CHINESE):
        drills_running.advance(run.pk, now=now() + timedelta(seconds=1))
    client = signed_in(drill_scene.runner())
    assert "This channel has no such provider that is enabled." in page(client, "drillrun", run.pk, language="en")
    assert "该渠道没有这个已启用的服务商。" in page(client, "drillrun", run.pk, language=CHINESE)
