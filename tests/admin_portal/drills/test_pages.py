"""The pages of drills."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from admin_portal.drills import controls
from admin_portal.models import Drill, DrillRun
from tests.admin_portal.conftest import SignIn
from tests.admin_portal.drills import scene
from tests.factories import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def browser(db: None) -> Client:
    """Signed in as somebody who runs drills."""
    client = Client()
    client.force_login(scene.runner())
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:admin_portal_{name}", args=args)


def form(**values: Any) -> dict[str, Any]:
    """What somebody writes into the form."""
    given = {
        "name": "sms-b-slow",
        "title": "sms-b is slow",
        "owner": "wang",
        "channel": "sms",
        "fault": "latency",
        "provider": "sms-b",
        "latency_ms": "4000",
        "rate_per_s": "5",
        "share": "10",
        "warm_s": "10",
        "fault_s": "30",
        "recover_s": "20",
        "switch_within_s": "20",
        "lost_at_most": "0",
        "duplicated_at_most": "0",
        "every_days": "7",
        "at": "03:00",
    }
    return {**given, **values}


def start_form(drill: Drill, **values: Any) -> dict[str, Any]:
    """What the start button sends."""
    return {"token": uuid4(), "seen_at": drill.changed_at.isoformat(), **values}


def reported() -> DrillRun:
    """A run that is over, with a plot in its report."""
    begin = now() - timedelta(seconds=20)
    run = scene.start(scene.drill(), at=begin)
    scene.pass_time(run, since=begin, until=begin + timedelta(seconds=19))
    controls.abort(run_id=run.pk, by=scene.runner(), origin=scene.ORIGIN, reason="<script>x</script>", now=now())
    return scene.pass_time(run, since=now(), until=now())


def test_a_drill_is_written_shown_and_changed(browser: Client) -> None:
    scene.set_up()
    answer = browser.post(url("drill_add"), form(), follow=True)
    assert "sms-b takes 4 s to answer" in answer.content.decode()
    drill = Drill.objects.get()
    assert (drill.terms["parameters"], drill.terms["share"]) == ({"latency_ms": 4000.0}, 0.1)
    assert "Only messages of test keys are touched." in answer.content.decode()
    assert b'value="4000"' in browser.get(url("drill_edit", drill.pk)).content
    changed = form(rate_per_s="6", seen_at=drill.changed_at.isoformat())
    browser.post(url("drill_edit", drill.pk), changed)
    assert Drill.objects.get().terms["rate_per_s"] == 6


def test_what_is_wrong_is_said_beside_its_field(browser: Client) -> None:
    scene.set_up()
    answer = browser.post(url("drill_add"), form(provider="esp-a"))
    assert "This channel has no such provider that is enabled." in answer.content.decode()
    assert not Drill.objects.exists()


def test_a_form_of_a_former_state_changes_nothing(browser: Client) -> None:
    scene.set_up()
    drill = scene.drill()
    for seen_at in ("", "nonsense", (drill.changed_at - timedelta(days=1)).isoformat()):
        answer = browser.post(url("drill_edit", drill.pk), form(rate_per_s="9", seen_at=seen_at))
        assert "changed meanwhile" in answer.content.decode()
    assert Drill.objects.get().terms["rate_per_s"] == 1


def test_the_start_button_leads_to_the_run_and_a_second_press_to_the_same(browser: Client) -> None:
    scene.set_up()
    drill = scene.drill()
    data = start_form(drill)
    first = browser.post(url("drill_start", drill.pk), data)
    assert browser.post(url("drill_start", drill.pk), data)["Location"] == first["Location"]
    assert DrillRun.objects.count() == 1
    assert "Abort the drill" in browser.get(first["Location"]).content.decode()


def test_a_forged_start_changes_nothing_and_says_so(browser: Client) -> None:
    scene.set_up()
    drill = scene.drill()
    answer = browser.post(url("drill_start", drill.pk), start_form(drill, token="x"), follow=True)
    assert "Open a new one." in answer.content.decode()
    assert not DrillRun.objects.exists()


def test_who_may_not_is_refused(viewer: Client) -> None:
    scene.set_up()
    drill = scene.drill()
    assert viewer.get(url("drill_change", drill.pk)).status_code == 200
    for name in ("drill_start", "drill_retire", "drill_edit"):
        assert viewer.post(url(name, drill.pk), start_form(drill)).status_code == 403
    assert not DrillRun.objects.exists()


def test_the_live_part_says_when_nobody_drives_it(browser: Client) -> None:
    scene.set_up()
    run = scene.start(scene.drill(), at=now() - timedelta(seconds=9))
    answer = browser.get(url("drillrun_standing", run.pk))
    assert answer.status_code == 200
    assert "Nobody has driven it" in answer.content.decode()


def test_an_abort_without_a_reason_changes_nothing(browser: Client) -> None:
    scene.set_up()
    run = scene.start(scene.drill())
    answer = browser.post(url("drillrun_abort", run.pk), {"reason": ""}, follow=True)
    assert "Say why." in answer.content.decode()
    assert scene.fresh(run).is_live


def test_the_report_has_a_plot_and_figures_and_no_script_of_whoever_aborted(browser: Client) -> None:
    scene.set_up()
    page = browser.get(url("drillrun_change", reported().pk)).content.decode()
    assert '<svg class="drill-plot"' in page
    assert 'data-figure="sent"' in page
    assert "&lt;script&gt;x" in page
    assert "<script>x" not in page


def test_the_live_part_asks_for_the_report_when_it_is_over(browser: Client) -> None:
    scene.set_up()
    answer = browser.get(url("drillrun_standing", reported().pk))
    assert (answer.status_code, answer["HX-Refresh"]) == (286, "true")


def test_follow_ups_are_saved_on_the_report(browser: Client) -> None:
    scene.set_up()
    run = reported()
    answer = browser.post(url("drillrun_follow_ups", run.pk), {"text": "Ask for more.", "seen": ""}, follow=True)
    assert "Ask for more." in answer.content.decode()


def test_lists_show_drills_and_runs(browser: Client) -> None:
    scene.set_up()
    run = reported()
    assert "sms-a answers 100% of the messages with an error" in browser.get(url("drill_changelist")).content.decode()
    assert "aborted and restored" in browser.get(url("drillrun_changelist")).content.decode()
    assert str(run.drill) in browser.get(url("drillrun_changelist")).content.decode()


def test_the_report_says_of_what_nobody_saw_that_it_was_not_seen_and_who_was_not_as_before(browser: Client) -> None:
    scene.set_up()
    run = reported()
    DrillRun.objects.filter(pk=run.pk).update(
        figures={**run.figures, "recover_s": None, "watched_s": 24.0, "still": {"provider:sms-a": "recovering"}}
    )
    page = browser.get(url("drillrun_change", run.pk)).content.decode()
    assert 'data-figure="recover">not seen<' in page
    assert re.search(r"Watched for 24 s\. Not as before then: sms-a \(\w+", page)


def test_the_live_page_can_say_that_what_it_shows_is_old(browser: Client) -> None:
    scene.set_up()
    page = browser.get(url("drillrun_change", scene.start(scene.drill()).pk)).content.decode()
    assert 'id="live-stale"' in page
    assert 'data-live="2"' in page
    assert "admin_portal/live" in page


def test_the_board_shows_a_drill_that_is_under_way_and_leads_to_it(sign_in: SignIn) -> None:
    scene.set_up()
    scene.start(scene.drill())
    board = sign_in(superuser=True).get(reverse("board")).content.decode()
    assert "A drill is under way" in board
    assert "sms-a fails: about to begin" in board
    assert url("drillrun_changelist") in board
