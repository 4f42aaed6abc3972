"""Held messages: decided on once, by a person, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from channels.models import Provider
from notify import dispatch, held, queries
from notify.held import Decided, HeldFilter
from notify.models import Delivery, DeliveryKind, Event
from tests.factories import make_application, make_batch, make_delivery, make_notification

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]
Verb = Callable[..., Decided]


def hold(*, callback_url: str = "", batch: Any = None, **values: Any) -> Delivery:
    """A message that nobody knows about."""
    application = batch.application if batch else make_application()
    notification = make_notification(
        application, channels=["sms"], content={"text": "x"}, callback_url=callback_url, batch=batch
    )
    defaults = {"attempts": 1, "error_code": "outcome_unknown", "error_detail": "its lease ran out"}
    return make_delivery(notification, "held", channel="sms", **{**defaults, **values})


def test_sent_again_it_is_due_in_its_lane_with_the_attempts_it_had() -> None:
    delivery = hold()
    assert held.resend(ids=[delivery.id], actor="li", now=timezone.now()) == Decided(matched=1, done=1)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.replays, delivery.error_code) == ("queued", 1, 1, "")
    assert delivery.deadline > timezone.now() + timedelta(hours=1)
    event = Event.objects.get(delivery_id=delivery.id)
    assert (event.type, event.actor) == ("replayed", "li")


def test_sent_again_it_is_really_sent() -> None:
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={})
    delivery = hold()
    held.resend(ids=[delivery.id], actor="li", now=timezone.now())
    dispatch.drain(lane="sms.normal", worker="test", stopping=lambda: False)
    assert Delivery.objects.get(pk=delivery.id).status == "sent"


def test_marked_as_sent_it_is_at_its_end_and_its_history_says_who_said_so() -> None:
    delivery = hold(provider="sms-a")
    now = timezone.now()
    assert held.mark_sent(ids=[delivery.id], actor="li", now=now) == Decided(matched=1, done=1)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.provider, delivery.attempts) == ("sent", "sms-a", 1)
    assert (delivery.sent_at, delivery.finished_at, delivery.lease, delivery.error_code) == (now, now, None, "")
    event = Event.objects.get(delivery_id=delivery.id)
    assert (event.type, event.actor) == ("marked_sent", "li")


def test_the_application_is_told_that_it_was_sent() -> None:
    delivery = hold(callback_url="https://client.example/hook")
    held.mark_sent(ids=[delivery.id], actor="li", now=timezone.now())
    callback = Delivery.objects.get(kind=DeliveryKind.CALLBACK)
    assert (callback.lane, callback.status) == ("webhook.bulk", "queued")
    assert callback.payload["type"] == "delivery.sent"
    assert callback.payload["data"]["delivery"]["id"] == str(delivery.id)


def test_a_batch_counts_it_as_sent() -> None:
    batch = make_batch(make_application())
    delivery = hold(batch=batch)
    held.mark_sent(ids=[delivery.id], actor="li", now=timezone.now())
    counts = queries.batch_counts(batch)
    assert (counts["sent"], counts["held"]) == (1, 0)


@pytest.mark.parametrize("verb", [held.resend, held.mark_sent])
@pytest.mark.parametrize("status", ["sent", "queued", "sending", "dead", "cancelled"])
def test_what_is_not_held_is_left_alone(verb: Verb, status: str) -> None:
    delivery = hold()
    Delivery.objects.filter(pk=delivery.id).update(status=status)
    assert verb(ids=[delivery.id], actor="li", now=timezone.now()).done == 0
    assert Delivery.objects.get(pk=delivery.id).status == status
    assert not Event.objects.exists()


@pytest.mark.parametrize("verb", [held.resend, held.mark_sent])
def test_nothing_to_decide_is_nothing(verb: Verb) -> None:
    assert verb(ids=[], actor="li", now=timezone.now()) == Decided()


@pytest.mark.parametrize("verb", [held.resend, held.mark_sent])
def test_asked_twice_it_is_done_once(verb: Verb) -> None:
    delivery = hold(callback_url="https://client.example/hook")
    verb(ids=[delivery.id, delivery.id], actor="li", now=timezone.now())
    assert verb(ids=[delivery.id], actor="wu", now=timezone.now()).done == 0
    assert [event.actor for event in Event.objects.filter(delivery_id=delivery.id)] == ["li"]
    assert Delivery.objects.filter(kind=DeliveryKind.CALLBACK).count() == int(verb is held.mark_sent)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_does() -> None:
    ids = [hold().id for _ in range(50)]

    def decide(verb: Verb) -> int:
        try:
            return verb(ids=ids, actor="li", now=timezone.now()).done
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(decide, [held.resend, held.mark_sent, held.resend, held.mark_sent]))
    assert sum(done) == 50
    assert Event.objects.count() == 50


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (HeldFilter(), 2),
        (HeldFilter(channel="sms"), 1),
        (HeldFilter(channel="voice"), 0),
        (HeldFilter(provider=""), 1),
        (HeldFilter(error_code="internal_error"), 1),
    ],
)
def test_they_are_found_by_what_they_have_in_common(where: HeldFilter, found: int) -> None:
    hold(provider="sms-a")
    notification = make_notification(make_application())
    make_delivery(notification, "held", channel="email", error_code="internal_error")
    make_delivery(notification, "sent", channel="email")
    assert held.matching(where).count() == found


def test_what_is_held_since_later_is_not_meant() -> None:
    hold()
    assert held.matching(HeldFilter(held_before=timezone.now() - timedelta(minutes=1))).count() == 0
    assert held.matching(HeldFilter(held_before=timezone.now())).count() == 1
