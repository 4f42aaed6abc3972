"""How approvers are called: by ways that the request is not about, and without standing in anybody's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet

from admin_portal import tasks
from admin_portal.models import DegradationRequest, Summons
from admin_portal.steering import breaking, paging, requests, surroundings
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import Severity, State
from channels import directory
from channels.degradation import pins
from channels.models import InboxMessage, Provider
from notify import dispatch, partitions, signals
from notify.models import Application, Delivery, Notification, TemplateVersion
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import ORIGIN, terms
from tests.factories import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _company() -> Iterator[None]:
    scene.set_up()
    directory.forget()
    partitions.forget_live_window()
    yield
    directory.forget()
    partitions.forget_live_window()


def calls() -> QuerySet[Summons]:
    return Summons.objects.order_by("person__username")


def channels_of(summons: Summons) -> list[str]:
    rows = Delivery.objects.filter(notification_id=summons.notification_id)
    return sorted(rows.values_list("channel", flat=True))


def test_everybody_who_may_approve_is_called_by_inbox_and_email() -> None:
    scene.approver("li"), scene.approver("chen")
    scene.submitted(scene.operator())
    assert paging.run_due(now=now()) == 2
    assert [(one.person.username, channels_of(one)) for one in calls()] == [  # type: ignore[union-attr]
        ("chen", ["email", "inapp"]),
        ("li", ["email", "inapp"]),
    ]


@pytest.mark.django_db(transaction=True)  # the inbox is written from a provider's thread, on its own connection
def test_a_call_arrives_and_says_who_wants_what_and_why() -> None:
    scene.approver("li")
    row = scene.submitted(scene.operator())
    paging.run_due(now=now())
    dispatch.drain(lane="inapp.critical", worker="test", stopping=lambda: False)
    message = InboxMessage.objects.get(user_id="li")
    assert f"#{row.pk} Disable the provider sms-a" in message.subject
    assert "sms-a loses every third message" in message.text
    assert f"/admin/admin_portal/degradationrequest/{row.pk}/change/" in message.text


def test_calls_are_written_in_both_languages() -> None:
    scene.approver("li")
    scene.submitted(scene.operator())
    paging.run_due(now=now())
    (version,) = TemplateVersion.objects.filter(template__application__name=surroundings.SYSTEM)
    texts = version.contents["email"]
    assert set(texts) == {"en", "zh-CN"}
    assert texts["en"]["text"] != texts["zh-CN"]["text"]


@pytest.mark.parametrize(
    ("action", "left"),
    [
        (Action(kind=Kind.SHED_BULK, target="channel:email"), ["inapp"]),
        (Action(kind=Kind.DISABLE_PROVIDER, target="provider:inbox"), ["email"]),
        (Action(kind=Kind.PAUSE, target="category:marketing", parameters={"channel": "email"}), ["inapp"]),
    ],
)
def test_a_call_does_not_go_over_the_channel_it_is_about(action: Action, left: list[str]) -> None:
    scene.approver("li")
    asked = terms(action, severity=Severity.HIGH, stranding_confirmed=True)
    scene.submitted(scene.operator(), asked)
    paging.run_due(now=now())
    assert channels_of(calls().get()) == left


def test_a_call_about_critical_messages_is_none_itself() -> None:
    scene.approver("li")
    pause = Action(kind=Kind.PAUSE, target="priority:critical")
    scene.submitted(scene.operator(), terms(pause, severity=Severity.HIGH, stranding_confirmed=True))
    paging.run_due(now=now())
    assert Notification.objects.get(pk=calls().get().notification_id).priority == "normal"


def test_when_every_channel_is_bad_the_verb_is_done_all_the_same_and_the_call_is_tried_again() -> None:
    scene.approver("li")
    Provider.objects.filter(channel__in=["email", "inapp"]).update(enabled=False)
    directory.forget()
    at = now()
    row = scene.submitted(scene.operator())
    assert row.state == State.PENDING
    assert paging.run_due(now=at + timedelta(seconds=1)) == 0
    call = calls().get()
    assert "No channel is left" in call.error
    assert (call.tries, call.settled_at) == (1, None)
    Provider.objects.filter(name="inbox").update(enabled=True)
    directory.forget()
    assert paging.run_due(now=call.try_at) == 1
    assert channels_of(calls().get()) == ["inapp"]


def test_what_is_decided_already_is_not_called_about() -> None:
    li = scene.approver("li")
    row = scene.submitted(scene.operator())
    scene.approve(row, li)
    assert paging.run_due(now=now()) == 1
    assert calls().get().notification_id is None
    assert not Notification.objects.exists()


def test_a_call_is_sent_once() -> None:
    scene.approver("li")
    scene.submitted(scene.operator())
    paging.run_due(now=now())
    assert paging.run_due(now=now() + timedelta(hours=1)) == 0
    assert Notification.objects.count() == 1


def test_whoever_broke_the_glass_or_asked_is_not_called_but_the_others_are() -> None:
    zhao = scene.breaker()
    scene.grant(zhao, "approve_degradation")
    scene.approver("li")
    scene.break_glass(scene.drafted(zhao), zhao)
    assert [(one.person.username, one.occasion) for one in calls()] == [("li", "break_glass")]  # type: ignore[union-attr]
    assert paging.run_due(now=now()) == 1


def test_a_review_that_is_overdue_is_called_about_once() -> None:
    zhao, li = scene.breaker(), scene.approver("li")
    row = scene.break_glass(scene.drafted(zhao), zhao)
    paging.run_due(now=now())
    late = row.review_due_at
    assert late is not None
    assert paging.run_due(now=late) == 1
    assert paging.run_due(now=late + timedelta(hours=1)) == 0
    breaking.review(request_id=row.pk, version=1, fine=True, by=li, origin=ORIGIN, reason="it was right", now=late)
    assert calls().filter(occasion="overdue").count() == 1


def test_a_configured_webhook_is_called_too(settings: Any) -> None:
    settings.PAGER = {**settings.PAGER, "WEBHOOK_URL": "https://hooks.example.com/pager"}
    Provider.objects.create(name="hooks", channel="webhook", adapter="webhook")
    directory.forget()
    scene.submitted(scene.operator())
    assert paging.run_due(now=now()) == 1
    assert channels_of(calls().get()) == ["webhook"]


def test_the_platform_s_own_application_can_not_be_steered() -> None:
    scene.approver("li")
    scene.submitted(scene.operator())
    paging.run_due(now=now())
    assert Application.objects.filter(name=surroundings.SYSTEM).exists()
    assert surroundings.SYSTEM not in surroundings.read(now=now()).applications


def test_the_lifeboat_s_tick_does_what_is_due_without_any_worker() -> None:
    wang = scene.operator()
    scene.approver("li")
    row = scene.submitted(wang)
    signals.send_tick(now=row.ends_at)
    assert scene.fresh(row).state == State.LAPSED
    assert calls().get().settled_at is not None


def test_a_round_does_both() -> None:
    scene.approver("li")
    waiting = scene.submitted(scene.operator())
    tasks.steer_once(now=now())
    assert calls().get().settled_at is not None
    requests.withdraw(request_id=waiting.pk, version=1, by=waiting.requested_by, origin=ORIGIN, now=now())
    assert DegradationRequest.objects.get().state == State.WITHDRAWN
    assert pins.known(now=now()) == ()
