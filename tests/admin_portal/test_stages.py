"""A notification's way, stage by stage: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from admin_portal.desk import stages
from admin_portal.desk.stages import Way
from notify.ids import new_id
from notify.models import Attempt, Delivery, Notification

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = START + timedelta(hours=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def delivery(status: str, **values: Any) -> Delivery:
    defaults = {"channel": "sms", "created_at": START, "due_at": START, "finished_at": at(10), "step": 0}
    return Delivery(id=new_id(), status=status, **{**defaults, **values})


def attempt(of: Delivery, outcome: str, begins: float, **values: Any) -> Attempt:
    defaults = {"provider": "sms-a", "claimed_at": at(begins - 0.5), "latency_ms": 100.0}
    return Attempt(id=new_id(), delivery_id=of.id, outcome=outcome, started_at=at(begins), **{**defaults, **values})


def draw(*deliveries: Delivery, attempts: tuple[Attempt, ...] = (), **values: Any) -> list[Way]:
    notification = Notification(id=new_id(), created_at=START, **values)
    return stages.draw(notification, deliveries, attempts, now=NOW)


def titles(way: Way) -> list[str]:
    return [str(stage.title) for stage in way.stages]


def test_a_message_that_arrived_has_its_stages_and_the_time_between() -> None:
    one = delivery("delivered", sent_at=at(1.6), delivered_at=at(31.6))
    (way,) = draw(one, attempts=(attempt(one, "sent", 1.5),))
    assert titles(way) == ["accepted", "claimed", "sms-a", "sent", "delivered"]
    assert [stage.after for stage in way.stages] == ["", "1.0 s", "600 ms", "0 ms", "30 s"]
    assert way.took == "32 s"


def test_one_that_a_provider_confirms_at_once_is_not_sent_first() -> None:
    one = delivery("delivered", sent_at=at(1), delivered_at=at(1))
    (way,) = draw(one, attempts=(attempt(one, "sent", 0.9),))
    assert titles(way)[-2:] == ["sms-a", "delivered"]


@pytest.mark.parametrize(
    ("status", "tone"), [("dead", "bad"), ("failed", "bad"), ("held", "warm"), ("cancelled", "warm"), ("sent", "good")]
)
def test_an_end_says_what_it_was(status: str, tone: str) -> None:
    (way,) = draw(delivery(status, error_code="deadline"))
    assert (way.stages[-1].tone, way.stages[-1].detail, way.stages[-1].at) == (tone, "no time left", at(10))


def test_of_many_tries_those_in_the_middle_are_one_stage() -> None:
    one = delivery("dead")
    tries = tuple(attempt(one, "unavailable", number, provider=f"sms-{number % 2}") for number in range(1, 8))
    (way,) = draw(one, attempts=tries)
    assert titles(way) == ["accepted", "claimed", "sms-1", "5 more tries", "sms-1", "dead"]
    assert way.stages[3].detail == "sms-0, sms-1"


def test_what_is_on_its_way_ends_with_what_it_is_in_now() -> None:
    (way,) = draw(delivery("queued", finished_at=None, due_at=NOW + timedelta(minutes=1)))
    last = way.stages[-1]
    assert (last.title, last.is_open, last.at) == ("queued", True, NOW)
    assert "13:01:00" in last.detail


def test_what_is_scheduled_becomes_due() -> None:
    one = delivery("sent", sent_at=at(61))
    (way,) = draw(one, attempts=(attempt(one, "sent", 60.8),), send_at=at(60))
    assert titles(way)[:3] == ["accepted", "due", "claimed"]


def test_a_channel_that_takes_over_has_a_way_of_its_own() -> None:
    first = delivery("failed")
    second = delivery("sent", channel="email", step=1, created_at=at(10), sent_at=at(12))
    ways = draw(second, first)
    assert [way.channel for way in ways] == ["sms", "email"]
    assert titles(ways[1])[0] == "this channel's turn"


def test_nothing_goes_backwards_when_clocks_disagree() -> None:
    one = delivery("sent", sent_at=at(1))
    (way,) = draw(one, attempts=(attempt(one, "sent", 3),))
    times = [stage.at for stage in way.stages]
    assert times == sorted(times)


def test_status_callbacks_are_left_to_the_timeline() -> None:
    assert draw(delivery("sent", kind=1)) == []


def test_each_says_what_came_of_it_in_words() -> None:
    one = delivery("dead", error_code="attempts_used_up")
    (way,) = draw(one, attempts=(attempt(one, "unavailable", 1),))
    assert [stage.detail for stage in way.stages[-2:]] == ["the provider was not well", "attempts used up"]


def test_what_waits_says_until_when_by_the_reader_s_clock() -> None:
    one = delivery("queued", due_at=NOW + timedelta(minutes=5), finished_at=None)
    with timezone.override("Asia/Shanghai"):
        (way,) = draw(one)
    assert way.stages[-1].detail == "until 21:05:00"
