"""The list of held messages, and deciding on them, by those who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from admin_portal.desk import jobs
from admin_portal.models import AuditEntry, DeskJob
from notify.models import Delivery
from tests import factories
from tests.admin_portal.conftest import SignIn

LIST = "admin:admin_portal_helddelivery_changelist"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


def hold(**values: Any) -> Delivery:
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    defaults = {"channel": "sms", "error_code": "outcome_unknown", "error_detail": "silence"}
    return factories.make_delivery(notification, "held", **{**defaults, **values})


def act(client: Client, verb: str, rows: list[Delivery], query: str = "", **fields: str) -> Any:
    form = {"action": verb, ACTION_CHECKBOX_NAME: [str(row.pk) for row in rows], **fields}
    return client.post(reverse(LIST) + query, form)


@pytest.fixture
def judge(sign_in: SignIn) -> Client:
    """May decide on held messages."""
    return sign_in("notify.view_delivery", "notify.view_notification", "admin_portal.resolve_held")


def test_only_what_is_held_is_listed_and_its_address_is_masked(judge: Client) -> None:
    held = hold()
    sent = hold()
    Delivery.objects.filter(pk=sent.pk).update(status="sent")
    html = judge.get(reverse(LIST)).content.decode()
    assert str(held.pk) in html
    assert str(sent.pk) not in html
    assert "outcome unknown" in html
    assert held.address not in html


def test_who_may_see_personal_data_sees_the_address(sign_in: SignIn) -> None:
    held = hold()
    client = sign_in("notify.view_delivery", "admin_portal.view_personal_data")
    assert held.address in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("verb", ["resend", "mark_sent"])
def test_nothing_happens_before_the_question_is_answered(judge: Client, verb: str) -> None:
    held = hold()
    assert "1 message" in act(judge, verb, [held]).content.decode()
    assert Delivery.objects.get(pk=held.pk).status == "held"


@pytest.mark.parametrize(("verb", "status"), [("resend", "queued"), ("mark_sent", "sent")])
def test_those_that_are_ticked_are_decided_on_at_once(judge: Client, verb: str, status: str) -> None:
    held, other = hold(), hold()
    act(judge, verb, [held], confirmed="yes")
    assert Delivery.objects.get(pk=held.pk).status == status
    assert Delivery.objects.get(pk=other.pk).status == "held"
    assert AuditEntry.objects.get(action=f"desk.{verb}").after == {"ids": [str(held.pk)], "done": 1}


@pytest.mark.parametrize(("verb", "status"), [("resend", "queued"), ("mark_sent", "sent")])
def test_all_that_match_are_decided_on_in_the_background(judge: Client, verb: str, status: str) -> None:
    wanted, other = hold(provider="sms-a"), hold(provider="sms-b")
    act(judge, verb, [wanted], "?provider=sms-a", confirmed="yes", select_across="1")
    assert DeskJob.objects.get().criteria == {"provider": "sms-a"}
    jobs.run_due(factories.now())
    assert Delivery.objects.get(pk=wanted.pk).status == status
    assert Delivery.objects.get(pk=other.pk).status == "held"


@pytest.mark.parametrize("verb", ["resend", "mark_sent"])
@pytest.mark.parametrize(
    "permissions", [("notify.view_delivery",), ("notify.view_delivery", "notify.change_deadletter")]
)
def test_without_the_permission_nothing_is_decided_not_even_by_a_forged_request(
    sign_in: SignIn, verb: str, permissions: tuple[str, ...]
) -> None:
    held = hold()
    client = sign_in(*permissions)
    for fields in ({"confirmed": "yes"}, {"confirmed": "yes", "select_across": "1"}):
        act(client, verb, [held], **fields)
    assert Delivery.objects.get(pk=held.pk).status == "held"
    assert not DeskJob.objects.exists()


def test_the_list_is_for_those_who_may_see_deliveries(sign_in: SignIn) -> None:
    assert sign_in("notify.view_batch").get(reverse(LIST)).status_code == 403


def test_a_decision_of_two_browsers_is_taken_once(judge: Client) -> None:
    held = hold()
    act(judge, "mark_sent", [held], confirmed="yes")
    answer = act(judge, "resend", [held], confirmed="yes")
    assert answer.status_code == 302
    assert Delivery.objects.get(pk=held.pk).status == "sent"
