"""The pages of manual degradation, as people and as forgers use them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from admin_portal.models import AuditEntry, DegradationRequest
from admin_portal.steering import requests
from admin_portal.steering.approval import Severity, State
from channels.degradation import pins
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import PAUSE_SMS, filled, page_of, press, signed_in, terms
from tests.factories import now

pytestmark = pytest.mark.django_db
ADD = "/admin/admin_portal/degradationrequest/add/"
LIST = "/admin/admin_portal/degradationrequest/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _company() -> None:
    scene.set_up()


# --- deciding --------------------------------------------------------------------------------------------------------


def test_an_approver_sees_why_and_what_and_approves() -> None:
    row, client = scene.submitted(scene.operator()), signed_in(scene.approver("li"))
    text = client.get(page_of(row)).content.decode()
    assert "sms-a loses every third message" in text
    assert "1 approval is missing." in text
    assert "Approved." in press(client, row, "approve")
    assert scene.fresh(row).state == State.ACTIVE
    assert AuditEntry.objects.get(action="degradation.approved").origin == "127.0.0.1"


def test_the_requester_is_not_offered_to_approve_and_a_forged_post_changes_nothing() -> None:
    wang = scene.operator()
    scene.grant(wang, "approve_degradation")
    row, client = scene.submitted(wang), signed_in(wang)
    assert "/do/approve/" not in client.get(page_of(row)).content.decode()
    assert "Nobody approves a request of their own." in press(client, row, "approve")
    assert scene.fresh(row).state == State.PENDING
    assert pins.known(now=now()) == ()


@pytest.mark.parametrize(
    "verb", ["approve", "reject", "withdraw", "revert", "break", "review_fine", "review_wrong", "submit"]
)
def test_a_viewer_is_offered_nothing_and_may_do_nothing_by_hand(verb: str) -> None:
    row = scene.submitted(scene.operator())
    viewer = signed_in(scene.person("kim", "view_degradationrequest"))
    assert "/do/" not in viewer.get(page_of(row)).content.decode()
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, verb))
    assert viewer.post(url, {"version": 1, "reason": "because"}).status_code == 403
    assert scene.fresh(row).state == State.PENDING


def test_buttons_are_pressed_by_post_alone() -> None:
    row, client = scene.submitted(scene.operator()), signed_in(scene.approver("li"))
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, "approve"))
    assert client.get(url).status_code == 405
    assert scene.fresh(row).state == State.PENDING


def test_a_form_from_elsewhere_is_refused() -> None:
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    client = Client(enforce_csrf_checks=True)
    client.force_login(li)
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, "approve"))
    assert client.post(url, {"version": 1}).status_code == 403
    assert scene.fresh(row).state == State.PENDING


def test_approving_twice_says_so_and_counts_once() -> None:
    asked = terms(PAUSE_SMS, severity=Severity.HIGH, stranding_confirmed=True)
    row, client = scene.submitted(scene.operator(), asked), signed_in(scene.approver("li"))
    press(client, row, "approve")
    assert "You have approved this already." in press(client, row, "approve")
    assert scene.fresh(row).state == State.PENDING


def test_approving_what_was_just_withdrawn_says_so() -> None:
    wang = scene.operator()
    row, client = scene.submitted(wang), signed_in(scene.approver("li"))
    assert "Withdrawn." in press(signed_in(wang), row, "withdraw")
    assert "It has been withdrawn." in press(client, row, "approve")
    assert pins.known(now=now()) == ()


def test_a_form_without_a_version_is_refused() -> None:
    row, client = scene.submitted(scene.operator()), signed_in(scene.approver("li"))
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, "approve"))
    for version in ("", "x", "9" * 30, "-1"):
        answer = client.post(url, {"version": version}, follow=True)
        assert "was changed meanwhile" in answer.content.decode()
    assert scene.fresh(row).state == State.PENDING


def test_what_is_in_force_is_ended_with_a_reason() -> None:
    wang = scene.operator()
    row = scene.approve(scene.submitted(wang), scene.approver("li"))
    client = signed_in(wang)
    assert "Say why." in press(client, row, "revert", reason="")
    assert scene.fresh(row).state == State.ACTIVE
    assert "Ended. Traffic returns to rest." in press(client, row, "revert", reason="it is well again")
    assert scene.fresh(row).end_reason == "it is well again"


def test_a_broken_glass_shows_until_it_is_reviewed_by_another() -> None:
    zhao, li = scene.breaker(), scene.approver("li")
    row = scene.break_glass(scene.drafted(zhao), zhao)
    client = signed_in(li)
    assert "Applied without approval by zhao" in client.get(page_of(row)).content.decode()
    assert "Reviewed." in press(client, row, "review_fine", reason="there was no other way")
    assert "Review: reviewed, by li." in client.get(page_of(row)).content.decode()


def test_a_review_that_nobody_made_in_time_is_said_to_be_overdue() -> None:
    zhao = scene.breaker()
    row = scene.break_glass(scene.drafted(zhao), zhao)
    DegradationRequest.objects.filter(pk=row.pk).update(review_due_at=now() - timedelta(minutes=1))
    assert "Its review is overdue." in signed_in(scene.approver("li")).get(page_of(row)).content.decode()


def test_too_few_approvers_are_told_before_anybody_waits_in_vain() -> None:
    row = scene.submitted(scene.operator())
    assert "too few people may approve this" in signed_in(scene.operator("zhou")).get(page_of(row)).content.decode()


def test_script_in_a_reason_is_text_on_every_page() -> None:
    wang, li = scene.operator(), scene.approver("li")
    client = signed_in(wang)
    assert SCRIPT not in client.post(ADD, filled(reason=SCRIPT)).content.decode()
    client.post(ADD, filled(reason=SCRIPT, step="send"))
    row = DegradationRequest.objects.get()
    approving = signed_in(li)
    press(approving, row, "approve", reason=SCRIPT)
    for url in (page_of(row), LIST, f"{page_of(row).removesuffix('change/')}standing/"):
        text = approving.get(url).content.decode()
        assert SCRIPT not in text
    assert "&lt;script&gt;" in approving.get(page_of(row)).content.decode()


# --- the list, and the part that refreshes ---------------------------------------------------------------------------


def test_what_waits_for_this_person_comes_first_and_is_counted_in_the_sidebar() -> None:
    wang, li = scene.operator(), scene.approver("li")
    waiting = scene.submitted(wang)
    newer = scene.drafted(wang, terms(PAUSE_SMS))
    client = signed_in(li)
    text = client.get(LIST).content.decode()
    assert text.index(f"#{waiting.pk}<") < text.index(f"#{newer.pk}<")
    assert text.count("waits for you") == 1
    mine = signed_in(wang).get(LIST).content.decode()
    assert "waits for you" not in mine


def test_the_page_can_say_that_what_it_shows_is_old() -> None:
    html = signed_in(scene.approver("li")).get(page_of(scene.submitted(scene.operator()))).content.decode()
    assert re.search(r'id="standing" data-live="3"', html)
    assert re.search(r'id="live-stale"[^>]* hidden', html)
    assert "admin_portal/live.js" in html


def test_the_standing_refreshes_until_the_request_is_over() -> None:
    wang = scene.operator()
    row, client = scene.submitted(wang), signed_in(wang)
    url = reverse("admin:admin_portal_degradationrequest_standing", args=(row.pk,))
    assert client.get(url).status_code == 200
    requests.withdraw(request_id=row.pk, version=1, by=wang, origin="", now=now())
    assert client.get(url).status_code == 286


def standing(client: Client, row: DegradationRequest, page: str) -> str:
    """What a page that was loaded as ``page`` gets when it asks for itself."""
    found = re.search(r'id="request-stamp" name="stamp" value="([^"]*)"', page)
    version = re.search(r'id="request-version" name="version" value="(\d+)"', page)
    assert found
    assert version
    url = reverse("admin:admin_portal_degradationrequest_standing", args=(row.pk,))
    return client.get(url, {"stamp": found[1], "version": version[1]}).content.decode()


def test_other_buttons_come_with_the_answer_that_changes_them_and_not_before() -> None:
    li, row = scene.approver("li"), scene.submitted(scene.operator())
    client = signed_in(scene.operator("sun"))
    page = client.get(page_of(row)).content.decode()
    assert "/do/revert/" not in page
    assert "hx-swap-oob" not in standing(client, row, page)
    scene.approve(row, li)
    text = standing(client, row, page)
    assert 'id="request-buttons" hx-swap-oob="true"' in text
    assert "/do/revert/" in text
    assert re.search(r'id="history" hx-swap-oob="true".*Approved', text, re.DOTALL)


def test_a_reason_that_is_being_written_is_kept_when_other_buttons_come() -> None:
    row, client = scene.submitted(scene.operator()), signed_in(scene.approver("li"))
    page = client.get(page_of(row)).content.decode()
    assert re.search(r'<textarea id="reason-reject"[^>]* hx-preserve', page)


def test_who_looked_at_what_was_changed_meanwhile_is_offered_nothing_until_they_look_again() -> None:
    wang = scene.operator()
    row, client = scene.submitted(wang), signed_in(scene.approver("li"))
    page = client.get(page_of(row)).content.decode()
    requests.change(
        request_id=row.pk, version=1, terms=terms(reason="another"), by=wang, origin=scene.ORIGIN, now=now()
    )
    text = standing(client, row, page)
    assert 'id="request-buttons" hx-swap-oob="true"' in text
    assert "This request was changed meanwhile." in text
    assert "/do/" not in text
    scene.break_glass(scene.fresh(row), scene.breaker())
    assert "/do/" not in standing(client, row, page)


def test_who_may_see_nothing_sees_nothing() -> None:
    row = scene.submitted(scene.operator())
    client = signed_in(scene.person("kim"))
    standing = reverse("admin:admin_portal_degradationrequest_standing", args=(row.pk,))
    for url in (LIST, ADD, page_of(row), standing):
        assert client.get(url).status_code == 403


def test_calls_lead_to_the_page_of_the_request() -> None:
    from admin_portal.steering import subjects

    row = scene.submitted(scene.operator())
    assert subjects.REQUEST_PAGE.format(row.pk) == page_of(row)


def test_the_pages_speak_chinese() -> None:
    wang = scene.operator()
    row, client = scene.submitted(wang), signed_in(wang)
    client.cookies.load({"django_language": "zh-hans"})
    for url in (LIST, ADD, page_of(row)):
        text = client.get(url).content.decode()
        assert "degradation" not in re.sub(r"<[^>]*>", "", text).lower()
