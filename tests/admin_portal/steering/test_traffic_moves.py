"""From the decision to the messages: what is approved moves traffic, and what is over lets it return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from admin_portal.models import DegradationRequest
from admin_portal.steering import applying, requests, surroundings, traffic
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import State
from channels import directory
from channels.models import Pin, ProviderMinute
from notify import dispatch, partitions
from notify.models import Attempt, Delivery
from tests.admin_portal.steering import scene
from tests.admin_portal.steering.scene import ORIGIN, terms
from tests.factories import make_application, now
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _company() -> Iterator[None]:
    scene.set_up()
    directory.forget()
    partitions.forget_live_window()
    yield
    directory.forget()
    partitions.forget_live_window()


def send(count: int, **values: object) -> Counter[str]:
    """Who was asked about ``count`` new messages."""
    Attempt.objects.all().delete()
    directory.forget()  # what other processes do within a second
    enter(make_application(), count=count, now=now(), priority="normal", **values)
    dispatch.drain(lane="sms.normal", worker="test", stopping=lambda: False)
    return Counter(Attempt.objects.values_list("provider", flat=True))


def time_goes_by(row: DegradationRequest, gone: timedelta) -> None:
    """As if it had been applied ``gone`` earlier."""
    for rows, pk in ((Pin.objects, row.pin_id), (DegradationRequest.objects, row.pk)):
        one = rows.get(pk=pk)  # type: ignore[attr-defined]
        rows.filter(pk=pk).update(  # type: ignore[attr-defined]
            **({"starts_at": one.starts_at - gone} if one.starts_at else {}), ends_at=one.ends_at - gone
        )


def test_a_disabled_provider_gets_nothing_from_the_approval_to_the_expiry() -> None:
    assert send(40)["sms-a"] > 0
    row = scene.submitted(scene.operator())
    assert send(40)["sms-a"] > 0  # nobody has approved it
    row = scene.approve(row, scene.approver("li"))
    assert send(40) == {"sms-b": 40}
    time_goes_by(row, timedelta(hours=1))
    assert applying.run_due(now=now()) == 1
    assert scene.fresh(row).state == State.ENDED
    assert send(40)["sms-a"] > 0


def test_what_is_reverted_lets_traffic_return_at_once() -> None:
    li = scene.approver("li")
    row = scene.approve(scene.submitted(scene.operator()), li)
    assert send(40) == {"sms-b": 40}
    requests.revert(request_id=row.pk, version=1, by=li, origin=ORIGIN, reason="it is well", now=now())
    assert send(40)["sms-a"] > 0


def test_weights_that_are_set_by_hand_hold() -> None:
    weights = Action(kind=Kind.SET_WEIGHTS, target="channel:sms", parameters={"weights": {"sms-a": 1, "sms-b": 0}})
    scene.approve(scene.submitted(scene.operator(), terms(weights)), scene.approver("li"))
    assert send(40) == {"sms-a": 40}


def test_a_switched_channel_sends_over_the_other() -> None:
    switch = Action(kind=Kind.SWITCH_CHANNEL, target="channel:sms", parameters={"to": "email"})
    row = scene.submitted(scene.operator(), terms(switch))
    scene.approve(row, scene.approver("li"))
    scene.approve(row, scene.approver("chen"))
    assert send(5) == {}
    assert Delivery.objects.filter(channel="email").count() == 5


def test_a_paused_category_waits_and_the_others_go_on() -> None:
    pause = Action(kind=Kind.PAUSE, target="category:marketing")
    confirmed = terms(pause, severity="high", stranding_confirmed=True)
    row = scene.submitted(scene.operator(), confirmed)
    scene.approve(row, scene.approver("li"))
    scene.approve(row, scene.approver("chen"))
    assert send(5, category="marketing") == {}
    assert sum(send(5, category="orders").values()) == 5


# --- what the forecast is made from -----------------------------------------------------------------------------------


def test_the_last_hour_is_read_by_provider_and_by_kind_of_message() -> None:
    at = now()
    ProviderMinute.objects.create(
        provider="sms-a", minute=at - timedelta(minutes=5), channel="sms", tries=3600, successes=3600
    )
    app = make_application(name="shop")
    enter(app, count=6, now=at, priority="normal", category="orders", channels=["sms", "email"], route="first")
    enter(app, count=3, now=at, priority="critical", category="security")
    found = traffic.read(now=at + timedelta(seconds=1))
    assert found.flows["sms-a"].per_s == 1.0
    assert found.flows["sms-a"].peak_per_s == 60.0
    kinds = {(one.priority, one.category, one.application): one for one in found.groups}
    orders, codes = kinds["normal", "orders", "shop"], kinds["critical", "security", "shop"]
    assert (orders.later, orders.reachable) == (("email",), frozenset({"inapp", "voice"}))
    assert (codes.later, codes.reachable) == ((), frozenset({"email", "inapp", "voice"}))
    assert (round(orders.per_s * 3600), round(codes.per_s * 3600)) == (6, 3)
    assert found.sampled == 9


def test_what_is_older_than_an_hour_does_not_count() -> None:
    at = now()
    enter(make_application(), count=2, now=at, priority="normal")
    assert traffic.read(now=at + timedelta(hours=2)).groups == []


def test_the_forecast_reads_a_bounded_number_of_times(django_assert_max_num_queries: object) -> None:
    enter(make_application(), count=50, now=now(), priority="normal")
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        traffic.read(now=now())


def test_a_channel_that_is_pinned_counts_as_degraded() -> None:
    shed = Action(kind=Kind.SHED_BULK, target="channel:sms")
    scene.approve(scene.submitted(scene.operator(), terms(shed)), scene.approver("li"))
    assert str(surroundings.read(now=now()).impaired["sms"]) == "bulk held back by wang"
