"""The timeline as a pure function: tables of rows in, a story out. No database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notify import timeline
from notify.models import Application, Attempt, Delivery, DeliveryKind, Event, Notification
from tests.factories import make_id

T0 = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def notification(**values: Any) -> Notification:
    return Notification(**{"id": make_id(T0), "route": "all", "created_at": T0, **values})


def delivery(status: str = "queued", *, at: datetime = T0, **values: Any) -> Delivery:
    return Delivery(**{"id": make_id(at), "channel": "sms", "status": status, "created_at": at, "due_at": at, **values})


def attempt(of: Delivery, outcome: str, *, claimed: float, took_ms: float = 100, **values: Any) -> Attempt:
    defaults = {
        "id": make_id(after(claimed)),
        "delivery_id": of.id,
        "number": 1,
        "channel": of.channel,
        "provider": "sms-a",
        "outcome": outcome,
        "worker": "sms@host",
        "claimed_at": after(claimed),
        "started_at": after(claimed),
        "latency_ms": took_ms,
    }
    return Attempt(**{**defaults, **values})


def event(type_: str, *, at: float, of: Delivery | None = None, **values: Any) -> Event:
    return Event(id=make_id(after(at)), type=type_, delivery_id=of.id if of else None, **values)


def types(events: list[timeline.TimelineEvent]) -> list[str]:
    return [each.type for each in events]


def test_it_begins_with_the_acceptance() -> None:
    (first,) = timeline.build(notification(), [], [], [])
    assert (first.type, first.at, first.elapsed_ms, first.delivery_id) == ("accepted", T0, 0, None)


def test_a_delivery_that_went_well_is_queued_claimed_and_attempted() -> None:
    sent = delivery("sent")
    events = timeline.build(notification(), [sent], [attempt(sent, "sent", claimed=0.25, took_ms=80)], [])
    assert [(each.type, each.elapsed_ms) for each in events] == [
        ("accepted", 0),
        ("queued", 0),
        ("claimed", 250),
        ("attempted", 80),
    ]
    claimed, attempted = events[2:]
    assert (claimed.actor, claimed.attempt, claimed.provider) == ("sms@host", 1, None)
    assert (attempted.provider, attempted.outcome, attempted.channel) == ("sms-a", "sent", "sms")
    assert attempted.delivery_id == sent.id


def test_a_retry_says_in_words_why_and_when() -> None:
    waiting = delivery()
    failed = attempt(
        waiting, "unavailable", claimed=1, error_detail="HTTP 503", reason="weight 70 of 100", retry_at=after(3.5)
    )
    *_, attempted, retried = timeline.build(notification(), [waiting], [failed], [])
    assert attempted.reason == "HTTP 503; weight 70 of 100"
    assert retried.type == "retried"
    assert retried.reason == "unavailable: HTTP 503; again at 2026-11-24T08:30:03.500Z"
    assert retried.elapsed_ms == 0


def test_an_attempt_that_fell_over_to_the_next_provider_is_claimed_once() -> None:
    sent = delivery("sent")
    tries = [
        attempt(sent, "unavailable", claimed=1, provider="sms-a"),
        attempt(sent, "sent", claimed=1, started_at=after(1.1), provider="sms-b"),
    ]
    events = timeline.build(notification(), [sent], tries, [])
    assert types(events) == ["accepted", "queued", "claimed", "attempted", "attempted"]
    assert [each.provider for each in events[3:]] == ["sms-a", "sms-b"]


def test_every_attempt_is_claimed_anew() -> None:
    sent = delivery("sent")
    tries = [
        attempt(sent, "unavailable", claimed=1, retry_at=after(3)),
        attempt(sent, "sent", claimed=3, number=2),
    ]
    events = timeline.build(notification(), [sent], tries, [])
    assert types(events)[2:] == ["claimed", "attempted", "retried", "claimed", "attempted"]
    assert events[5].attempt == 2


@pytest.mark.parametrize(
    ("status", "finished_at", "expected"),
    [
        ("scheduled", None, ["accepted", "scheduled"]),
        ("cancelled", after(10), ["accepted", "scheduled"]),
        ("queued", None, ["accepted", "scheduled", "queued"]),
        ("sent", after(61), ["accepted", "scheduled", "queued"]),
        ("cancelled", after(70), ["accepted", "scheduled", "queued"]),
    ],
)
def test_a_scheduled_delivery_is_queued_when_its_time_has_come(
    status: str, finished_at: datetime | None, expected: list[str]
) -> None:
    later = delivery(status, finished_at=finished_at)
    events = timeline.build(notification(send_at=after(60)), [later], [], [])
    assert types(events) == expected
    assert events[1].reason == "to be sent at 2026-11-24T08:31:00.000Z"
    if len(events) > 2:
        assert events[2].at == after(60)


def test_the_next_channel_is_queued_after_the_switch_that_led_to_it() -> None:
    first = delivery("failed")
    second = delivery("queued", channel="email", at=after(2), step=1)
    tries = [attempt(first, "recipient_rejected", claimed=1.9)]
    # The switch was written a moment after the delivery that it led to was dated.
    switched = event("switched", at=2.004, of=first, channel="sms", reason="sms gave up; on to email")
    events = timeline.build(notification(route="first"), [second, first], tries, [switched])
    assert [(each.type, each.channel) for each in events] == [
        ("accepted", None),
        ("queued", "sms"),
        ("claimed", "sms"),
        ("attempted", "sms"),
        ("switched", "sms"),
        ("queued", "email"),
    ]


def test_a_channel_that_stands_in_is_queued_after_the_switch_that_led_to_it() -> None:
    first = delivery("failed", error_code="switched")
    second = delivery("queued", channel="email", at=after(2))
    switched = event("switched", at=2.004, of=first, channel="sms", reason="sms paused; on to email")
    events = timeline.build(notification(channels=["sms"]), [second, first], [], [switched])
    assert [(each.type, each.channel) for each in events[1:]] == [
        ("queued", "sms"),
        ("switched", "sms"),
        ("queued", "email"),
    ]


def test_each_channel_that_stands_in_is_queued_after_its_own_switch() -> None:
    sms, push = delivery("failed"), delivery("failed", channel="push", step=1)
    for_push = delivery("queued", channel="email", at=after(2), step=1)
    for_sms = delivery("queued", channel="email", at=after(5))
    switches = [
        event("switched", at=2.004, of=push, channel="push", reason="push paused; on to email"),
        event("switched", at=5.004, of=sms, channel="sms", reason="sms paused; on to email"),
    ]
    events = timeline.build(notification(channels=["sms", "push"]), [sms, push, for_push, for_sms], [], switches)
    assert [(each.type, each.delivery_id) for each in events[3:]] == [
        ("switched", push.id),
        ("queued", for_push.id),
        ("switched", sms.id),
        ("queued", for_sms.id),
    ]


@pytest.mark.parametrize("type_", ["receipt", "cancelled", "expired", "buried", "replayed", "discarded", "held"])
def test_a_stored_event_is_told_as_it_is(type_: str) -> None:
    one = delivery("sent")
    stored = event(type_, at=5, of=one, channel="sms", provider="sms-a", actor="li", outcome="x", reason="because")
    last = timeline.build(notification(), [one], [], [stored])[-1]
    assert (last.type, last.delivery_id, last.at) == (type_, one.id, after(5))
    assert (last.channel, last.provider, last.actor) == ("sms", "sms-a", "li")
    assert (last.outcome, last.reason) == ("x", "because")


def test_a_burial_in_the_millisecond_of_the_last_attempt_comes_after_it() -> None:
    dead = delivery("dead")
    last = attempt(dead, "unavailable", claimed=1, took_ms=100.9)
    events = timeline.build(notification(), [dead], [last], [event("buried", at=1.1, of=dead)])
    assert types(events)[-2:] == ["attempted", "buried"]
    assert all(each.elapsed_ms >= 0 for each in events)


def test_a_suppressed_delivery_was_never_queued() -> None:
    quiet = delivery("suppressed", error_detail="opted out of marketing")
    events = timeline.build(notification(), [quiet], [], [])
    assert [(each.type, each.reason) for each in events[1:]] == [("suppressed", "opted out of marketing")]


def test_a_status_callback_is_told_by_its_failed_tries_and_its_end() -> None:
    sent = delivery("sent")
    told = delivery("delivered", at=after(2), kind=DeliveryKind.CALLBACK, channel="webhook")
    tries = [
        attempt(sent, "sent", claimed=1),
        attempt(told, "unavailable", claimed=2.1, error_detail="HTTP 500", retry_at=after(4), provider="hooks"),
        attempt(told, "sent", claimed=4, number=2, provider="hooks"),
    ]
    end = event("callback", at=4.2, of=told, channel="webhook", outcome="delivered")
    events = timeline.build(notification(), [sent, told], tries, [end])
    assert types(events) == ["accepted", "queued", "claimed", "attempted", "callback", "callback"]
    assert [each.outcome for each in events[4:]] == ["unavailable", "delivered"]
    assert events[4].reason == "HTTP 500; again at 2026-11-24T08:30:04.000Z"


def test_what_befell_a_status_callback_is_no_event_of_the_message() -> None:
    told = delivery("dead", at=after(2), kind=DeliveryKind.CALLBACK, channel="webhook")
    stored = [
        event("buried", at=9, of=told),
        event("callback", at=9, of=told, outcome="dead"),
        event("replayed", at=20, of=told, actor="li"),
    ]
    events = timeline.build(notification(), [told], [], stored)
    assert [(each.type, each.outcome) for each in events[1:]] == [("callback", "dead"), ("callback", "replayed")]


def test_it_asks_the_database_nothing() -> None:
    one = delivery("sent", application=Application(id=1))
    assert timeline.build(notification(), [one], [attempt(one, "sent", claimed=1)], [event("receipt", at=2, of=one)])
