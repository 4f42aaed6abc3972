"""How approvers are called to runs of plans: as to requests, and by no way that one of its steps touches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from admin_portal import due
from admin_portal.due import Part
from admin_portal.models import PlanRun, Summons
from admin_portal.plans import breaking, requests
from admin_portal.steering import pager, paging
from channels import directory
from notify import partitions
from notify.models import Delivery
from tests.admin_portal.plans import stage
from tests.admin_portal.plans.stage import ORIGIN
from tests.admin_portal.steering import scene
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


def called() -> list[tuple[str, str]]:
    """Who, and why."""
    rows = Summons.objects.order_by("occasion", "person__username")
    return list(rows.values_list("occasion", "person__username"))


def test_everybody_who_may_approve_is_called_but_not_who_asked() -> None:
    scene.approver("li"), scene.approver("chu")
    scene.grant(stage.runner(), "approve_degradation")
    stage.ask(stage.plan())
    assert called() == [("approval", "chu"), ("approval", "li")]
    assert paging.run_due(now=now()) == 2


def test_a_call_says_what_is_to_be_run_and_where_to_decide() -> None:
    scene.approver("li")
    run = stage.ask(stage.plan())
    params = pager.params(Summons.objects.get())
    assert params["what"] == f"run #{run.pk} of “SMS is slow”"
    assert params["until"] == "1 h 0 min after it begins"
    assert params["link"].endswith(f"/admin/admin_portal/planrun/{run.pk}/change/")


def test_a_call_does_not_go_over_a_channel_that_any_step_touches() -> None:
    scene.approver("li")
    source = '- {do: shed_bulk, target: "channel:sms"}\n- {do: shed_bulk, target: "channel:email"}'
    stage.ask(stage.plan(source))
    paging.run_due(now=now())
    (summons,) = Summons.objects.all()
    rows = Delivery.objects.filter(notification_id=summons.notification_id)
    assert list(rows.values_list("channel", flat=True)) == ["inapp"]


def test_what_is_decided_already_is_not_called_about() -> None:
    scene.approver("li"), scene.approver("chu")
    stage.approve(stage.ask(stage.plan()), "li")
    assert paging.run_due(now=now()) == 2
    assert not Summons.objects.exclude(notification_id=None).exists()


def test_where_nobody_is_needed_nobody_is_called() -> None:
    scene.approver("li")
    stage.ask(stage.plan('- ask: "Is it well?"'))
    assert called() == []


def test_a_broken_glass_calls_at_once_and_a_late_review_once_more() -> None:
    scene.approver("li")
    zhao = scene.person("zhao", "break_glass")
    run = stage.ask(stage.plan())
    breaking.break_glass(run_id=run.pk, by=zhao, origin=ORIGIN, reason="no codes", now=now())
    late = now() + timedelta(hours=25)
    PlanRun.objects.filter(pk=run.pk).update(review_due_at=late)
    assert Part.CALLS in due.look(now=late)
    paging.run_due(now=late), paging.run_due(now=late)
    assert called() == [("approval", "li"), ("break_glass", "li"), ("overdue", "li")]


def test_two_runs_call_the_same_person() -> None:
    scene.approver("li")
    stage.ask(stage.plan())
    stage.ask(stage.plan('- {do: shed_bulk, target: "channel:email"}', name="slow-mail"), severity="medium")
    assert called() == [("approval", "li"), ("approval", "li")]


def test_a_call_is_about_one_thing() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Summons.objects.create(version=1, occasion="approval", created_at=now(), try_at=now())


def test_who_may_not_approve_any_more_is_not_entitled_by_a_call() -> None:
    li = scene.approver("li")
    run = stage.ask(stage.plan())
    li.user_permissions.clear()
    with pytest.raises(requests.people.NotPermitted):
        requests.approve(run_id=run.pk, by=li, origin=ORIGIN, now=now())
