"""What becomes of messages while their channel is degraded: nobody is told twice, and nobody is forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from channels import directory
from channels.degradation import standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.models import Channel, Provider
from notify import dispatch
from notify.models import Attempt, Delivery, Event
from notify.rows import DeliveryRow
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


def provider(name: str, *, channel: str = "sms", **config: Any) -> None:
    Provider.objects.create(name=name, channel=channel, adapter="sandbox", config=config)


def stands(state: ChannelState, *, share: float = 0.0, providers: ProviderState | None = None) -> None:
    now = timezone.now()
    found: dict[str, Any] = {
        "channel:sms": ChannelStanding(state=state, share=share, since=now, changed_at=now, reason="nobody is well")
    }
    if providers is not None:
        for name in Provider.objects.filter(channel="sms").values_list("name", flat=True):
            found[f"provider:{name}"] = ProviderStanding(
                state=providers,
                share=0.0,
                since=now,
                changed_at=now,
                reason="dead",
                next_probe_at=now + timedelta(hours=1),
            )
    standings.write(standings=found)
    directory.forget()


def drain(lane: str) -> int:
    return dispatch.drain(lane=lane, worker="test", stopping=lambda: False)


def states(rows: list[DeliveryRow]) -> Counter[tuple[str, str]]:
    return Counter(
        Delivery.objects.filter(notification_id__in=[row.notification_id for row in rows]).values_list(
            "channel", "status"
        )
    )


def test_bulk_is_held_in_the_table_while_its_channel_is_switched() -> None:
    provider("sms-a")
    rows = enter(make_application(), count=5, now=timezone.now(), priority="bulk")
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    assert drain("sms.bulk") == 0
    assert states(rows) == {("sms", "queued"): 5}
    assert not Attempt.objects.exists()


def test_a_message_of_route_first_arrives_by_its_next_channel_and_only_there() -> None:
    provider("sms-a")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="first", channels=["sms", "email"])
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    drain("sms.normal")
    drain("email.normal")
    assert states([row]) == {("sms", "failed"): 1, ("email", "sent"): 1}
    assert Delivery.objects.get(pk=row.id).error_code == "switched"
    assert Event.objects.filter(notification_id=row.notification_id, type="switched").count() == 1
    # The channel is well again: what went out elsewhere is not sent again.
    standings.write(standings={}, gone=["channel:sms", "provider:sms-a"])
    directory.forget()
    drain("sms.normal")
    assert not Attempt.objects.filter(channel="sms").exists()


def test_the_channel_s_fallback_takes_a_message_that_has_the_address() -> None:
    Channel.objects.create(name="sms", fallback=["push", "email"])
    provider("sms-a")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="all", channels=["sms"])
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    drain("sms.normal")
    drain("email.normal")
    assert states([row]) == {("sms", "failed"): 1, ("email", "sent"): 1}


def test_what_goes_to_the_fallback_anyway_is_not_sent_there_twice() -> None:
    Channel.objects.create(name="sms", fallback=["email"])
    provider("sms-a")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="all", channels=["sms", "email"])
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    drain("sms.normal")
    assert states([row]) == {("sms", "queued"): 1}
    assert Delivery.objects.get(pk=row.id).error_code == "channel_held"


def test_a_fallback_that_is_down_itself_gets_nothing() -> None:
    Channel.objects.create(name="sms", fallback=["email"])
    provider("sms-a")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="all", channels=["sms"])
    stands(ChannelState.PAUSED, providers=ProviderState.OPEN)
    drain("sms.normal")
    assert states([row]) == {("sms", "queued"): 1}


def test_what_is_held_uses_up_no_attempt_and_goes_when_the_channel_is_well() -> None:
    provider("sms-a")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="all", channels=["sms"])
    stands(ChannelState.PAUSED, providers=ProviderState.OPEN)
    drain("sms.normal")
    held = Delivery.objects.get(pk=row.id)
    assert (held.status, held.attempts, held.waits) == ("queued", 0, 1)
    standings.write(standings={}, gone=["channel:sms", "provider:sms-a"])
    directory.forget()
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
    drain("sms.normal")
    assert states([row]) == {("sms", "sent"): 1}


def test_while_somebody_carries_bulk_comes_back_by_its_share() -> None:
    provider("sms-a", latency_ms=1)
    rows = enter(make_application(), count=40, now=timezone.now(), priority="bulk")
    stands(ChannelState.SHEDDING, share=0.1)
    drain("sms.bulk")
    assert states(rows) == {("sms", "sent"): 40}


def test_what_is_held_looks_again_within_the_time_of_its_step() -> None:
    provider("sms-a")
    now = timezone.now()
    step_deadline = now + timedelta(seconds=8)
    rows = enter(
        make_application(),
        count=30,
        now=now,
        priority="normal",
        route="first",
        channels=["sms", "email"],
        step_deadline=step_deadline,
    )
    stands(ChannelState.PAUSED, providers=ProviderState.OPEN)
    drain("sms.normal")
    assert states(rows) == {("sms", "queued"): 30}
    assert Delivery.objects.filter(waits=1, due_at__lt=step_deadline).count() == 30


def test_what_is_held_with_nowhere_to_go_does_not_mind_the_time_of_its_step() -> None:
    provider("sms-a")
    now = timezone.now()
    (row,) = enter(
        make_application(),
        now=now,
        priority="normal",
        route="first",
        channels=["sms", "push"],
        step_deadline=now - timedelta(seconds=1),
    )
    stands(ChannelState.PAUSED, providers=ProviderState.OPEN)
    drain("sms.normal")
    assert Delivery.objects.get(pk=row.id).due_at >= now + timedelta(seconds=1)


@pytest.mark.parametrize("open_or_throttled", ["open", "throttled"])
def test_an_open_breaker_and_throttling_use_up_no_attempts(open_or_throttled: str) -> None:
    throttles = {"error_rate": 1.0, "error": "throttled"} if open_or_throttled == "throttled" else {}
    provider("sms-a", **throttles)
    rows = enter(make_application(), count=3, now=timezone.now(), priority="normal", channels=["sms"])
    if open_or_throttled == "open":
        stands(ChannelState.NORMAL, share=1.0, providers=ProviderState.OPEN)
    for _turn in range(3):
        Delivery.objects.filter(id__in=[row.id for row in rows]).update(due_at=timezone.now())
        drain("sms.normal")
    assert set(Delivery.objects.values_list("status", "attempts", "waits")) == {("queued", 0, 3)}


def test_route_first_goes_to_two_channels_only_after_an_unknown_outcome_and_then_says_so() -> None:
    provider("sms-a", error_rate=1.0, error="outcome_unknown")
    provider("email-a", channel="email")
    (row,) = enter(
        make_application(), now=timezone.now(), priority="normal", route="first", channels=["sms", "email"], attempts=7
    )
    drain("sms.normal")
    drain("email.normal")
    assert states([row]) == {("sms", "failed"): 1, ("email", "sent"): 1}
    (switched,) = Event.objects.filter(notification_id=row.notification_id, type="switched")
    assert switched.reason.startswith("it may have arrived by sms too")


@pytest.mark.parametrize("attempts", [0, 7])
def test_that_one_provider_gave_no_answer_is_not_forgotten_when_the_next_one_refuses(attempts: int) -> None:
    provider("sms-a", error_rate=1.0, error="outcome_unknown")
    provider("sms-b", error_rate=1.0, error="unavailable")
    Provider.objects.filter(name="sms-b").update(weight=0)
    provider("email-a", channel="email")
    (row,) = enter(
        make_application(),
        now=timezone.now(),
        priority="normal",
        route="first",
        channels=["sms", "email"],
        attempts=attempts,
    )
    drain("sms.normal")
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
    drain("sms.normal")
    (switched,) = Event.objects.filter(notification_id=row.notification_id, type="switched")
    assert switched.reason.startswith("it may have arrived by sms too")


def test_what_may_have_arrived_once_may_have_whatever_was_said_later() -> None:
    provider("sms-a", error_rate=1.0, error="outcome_unknown")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="first", channels=["sms", "email"])
    drain("sms.normal")
    refusing = Provider.objects.get(name="sms-a")
    refusing.config = {"error_rate": 1.0, "error": "unavailable"}
    refusing.save()
    directory.forget()
    for _turn in range(10):
        Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
        drain("sms.normal")
    outcomes = Attempt.objects.filter(delivery_id=row.id).order_by("id").values_list("outcome", flat=True)
    assert list(outcomes) == ["outcome_unknown", *["unavailable"] * 7]
    (switched,) = Event.objects.filter(notification_id=row.notification_id, type="switched")
    assert switched.reason.startswith("it may have arrived by sms too")


def test_a_message_whose_last_outcome_is_unknown_says_so_also_when_its_channel_is_left_later() -> None:
    provider("sms-a", error_rate=1.0, error="outcome_unknown")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="first", channels=["sms", "email"])
    drain("sms.normal")
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
    drain("sms.normal")
    (switched,) = Event.objects.filter(notification_id=row.notification_id, type="switched")
    assert switched.reason.startswith("it may have arrived by sms too")


def test_where_the_first_channel_surely_failed_nothing_is_said_of_having_arrived() -> None:
    provider("sms-a", error_rate=1.0, error="recipient_rejected")
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route="first", channels=["sms", "email"])
    drain("sms.normal")
    (switched,) = Event.objects.filter(notification_id=row.notification_id, type="switched")
    assert "may have arrived" not in switched.reason


@pytest.mark.parametrize(("route", "channels", "at_once"), [("first", ["sms", "email"], True), ("all", ["sms"], False)])
def test_who_fails_as_a_probe_while_the_channel_is_switched_goes_on_by_the_next_channel_without_patience(
    route: str, channels: list[str], at_once: bool
) -> None:
    provider("sms-a", error_rate=1.0, retry_after=90)
    provider("email-a", channel="email")
    (row,) = enter(make_application(), now=timezone.now(), priority="normal", route=route, channels=channels)
    stands(ChannelState.SWITCHED, providers=ProviderState.OPEN)
    standing = standings.read().providers["sms-a"]
    standings.write(standings={"provider:sms-a": replace(standing, next_probe_at=timezone.now())})
    directory.forget()
    drain("sms.normal")
    tried = Delivery.objects.get(pk=row.id)
    assert (tried.status, tried.attempts) == ("queued", 1)
    assert (tried.due_at - timezone.now() < timedelta(seconds=1)) is at_once
