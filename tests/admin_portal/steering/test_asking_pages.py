"""The form in which a degradation is asked for, in two steps, as people and as forgers use it."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.urls import reverse

from admin_portal.models import DegradationRequest
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import State
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import filled, page_of, press, signed_in

pytestmark = pytest.mark.django_db
ADD = "/admin/admin_portal/degradationrequest/add/"
LIST = "/admin/admin_portal/degradationrequest/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


def test_the_effect_is_shown_before_anything_is_stored() -> None:
    answer = signed_in(scene.operator()).post(ADD, filled())
    text = answer.content.decode()
    assert "Predicted effect" in text
    assert "Disable the provider sms-a" in text
    assert "1 other person has to approve it" in text
    assert not DegradationRequest.objects.exists()


def test_from_the_second_page_it_is_sent() -> None:
    client = signed_in(scene.operator())
    preview = client.post(ADD, filled()).content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', preview))
    answer = client.post(ADD, {**hidden, "step": "send"}, follow=True)
    row = DegradationRequest.objects.get()
    assert (row.state, row.target, row.reason) == (State.PENDING, "provider:sms-a", "it loses every third message")
    assert answer.redirect_chain[-1][0] == page_of(row)


def test_the_shortest_time_that_the_form_offers_can_be_sent() -> None:
    answer = signed_in(scene.operator()).post(ADD, filled(lasts="15", step="send"), follow=True)
    assert "It must last at least 15 minutes." not in answer.content.decode()
    assert DegradationRequest.objects.get().state == State.PENDING


def test_a_form_that_is_sent_twice_makes_one_request() -> None:
    client, form = signed_in(scene.operator()), filled(step="send")
    client.post(ADD, form)
    client.post(ADD, form)
    assert DegradationRequest.objects.count() == 1


def test_a_draft_waits_for_its_author() -> None:
    client = signed_in(scene.operator())
    client.post(ADD, filled(step="draft"))
    row = DegradationRequest.objects.get()
    assert row.state == State.DRAFT
    assert "Sent." in press(client, row, "submit")
    assert scene.fresh(row).state == State.PENDING


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "set_weights", "target": "channel:sms", "weights": "sms-a 0, sms-b 0"}, "sum to zero"),
        ({"kind": "set_weights", "target": "channel:sms", "weights": "sms-a 0"}, "No weight is given for sms-b"),
        ({"kind": "set_weights", "target": "channel:sms", "weights": "sms-a"}, "Write each provider with its weight"),
        ({"kind": "switch_channel", "target": "channel:sms", "to": "sms"}, "round in circles"),
        ({"kind": "switch_channel", "target": "channel:sms", "to": "push"}, "has no enabled provider"),
        ({"kind": "throttle", "target": "channel:sms"}, "whole number from 1"),
        ({"kind": "pause", "target": "provider:sms-a"}, "a target of this kind"),
        ({"lasts": "own", "ends_at": "2020-01-01T00:00"}, "in the past"),
        ({"lasts": "own"}, "in the past"),
        ({"starts_at": "2199-01-01T00:00"}, "30 days"),
        ({"target": "provider:nobody"}, "Select a valid choice"),
        ({"reason": ""}, "This field is required"),
        ({"token": ""}, "This form is not ours"),
        ({"token": "0; DROP TABLE"}, "This form is not ours"),
    ],
)
def test_bad_input_is_told_beside_its_field_and_stores_nothing(change: dict[str, str], words: str) -> None:
    answer = signed_in(scene.operator()).post(ADD, filled(**{**change, "step": "send"}))
    assert words in answer.content.decode()
    assert not DegradationRequest.objects.exists()


def test_a_fallback_that_is_itself_degraded_is_refused_and_says_how_in_the_reader_s_language() -> None:
    shed = scene.terms(Action(kind=Kind.SHED_BULK, target="channel:inapp"))
    scene.approve(scene.submitted(scene.operator("zhou"), shed), scene.approver("li"))
    client = signed_in(scene.operator())
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    answer = client.post(ADD, filled(kind="switch_channel", target="channel:sms", to="inapp", step="send"))
    assert "inapp 自身已降级（zhou：压住批量）" in answer.content.decode()
    assert DegradationRequest.objects.count() == 1


def test_what_leaves_critical_messages_no_way_is_confirmed_on_the_second_page() -> None:
    client = signed_in(scene.operator())
    pause = filled(kind="pause", target="channel:sms", severity="high")
    assert "Critical messages would have no way left" in client.post(ADD, pause).content.decode()
    assert "Confirm that this is meant" in client.post(ADD, {**pause, "step": "send"}).content.decode()
    assert not DegradationRequest.objects.exists()
    client.post(ADD, {**pause, "step": "send", "stranding_confirmed": "yes"})
    assert DegradationRequest.objects.get().state == State.PENDING


def test_a_conflict_is_named_and_nothing_is_stored() -> None:
    first = scene.submitted(scene.operator())
    client = signed_in(scene.operator("zhou"))
    answer = client.post(ADD, filled(step="send"))
    assert f"It conflicts with #{first.pk} (Disable the provider sms-a)" in answer.content.decode()
    assert DegradationRequest.objects.count() == 1


def test_the_glass_is_broken_from_the_second_page() -> None:
    client = signed_in(scene.breaker())
    client.post(ADD, filled(step="break", break_reason="no codes arrive"))
    row = DegradationRequest.objects.get()
    assert (row.state, row.review, row.break_reason) == (State.ACTIVE, "due", "no codes arrive")


def test_the_glass_is_not_broken_by_a_forged_form() -> None:
    answer = signed_in(scene.operator()).post(ADD, filled(step="break", break_reason="because"))
    assert answer.status_code == 403
    assert not DegradationRequest.objects.exists()


def test_a_changed_request_is_approved_anew() -> None:
    wang, li = scene.operator(), scene.approver("li")
    row = scene.submitted(wang)
    client = signed_in(wang)
    url = reverse("admin:admin_portal_degradationrequest_edit", args=(row.pk,))
    assert 'value="provider:sms-a" selected' in client.get(url).content.decode()
    client.post(url, filled(step="send", version=row.version, target="provider:sms-b"))
    assert (scene.fresh(row).target, scene.fresh(row).version) == ("provider:sms-b", 2)
    assert "was changed meanwhile" in press(signed_in(li), row, "approve")
    assert scene.fresh(row).state == State.PENDING
