"""Draining a lane: claim, render, hand over, record, on a real database and the shipped sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from channels import directory
from channels.errors import Unavailable
from channels.lines import LINES
from channels.models import Channel, InboxMessage, Provider
from notify import content, dispatch, lanes, outcomes, partitions, signals, workers
from notify.models import Attempt, DeadLetter, Delivery
from notify.rows import DeliveryRow
from tests.conftest import WaitFor
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    directory.forget()
    dispatch._pulses.clear()
    partitions.forget_live_window()
    yield
    directory.forget()
    partitions.forget_live_window()


def provider(name: str = "sms-a", *, channel: str = "sms", adapter: str = "sandbox", **config: Any) -> Provider:
    fields = {key: config.pop(key) for key in ("weight", "max_concurrency", "timeout_s", "rate_limit") if key in config}
    return Provider.objects.create(name=name, channel=channel, adapter=adapter, config=config, **fields)


def drain(lane: str = "sms.bulk", **options: Any) -> int:
    return dispatch.drain(lane=lane, worker="test", stopping=lambda: False, **options)


def is_asked(name: str) -> bool:
    """Whether the provider has something in hand."""
    return any(line.spec.name == name and not line.bulkhead.idle for line in LINES.all())


def states(rows: list[DeliveryRow]) -> Counter[str]:
    return Counter(Delivery.objects.filter(pk__in=[row.id for row in rows]).values_list("status", flat=True))


def test_a_lane_is_drained_to_the_end() -> None:
    provider()
    rows = enter(make_application(), count=1200, now=timezone.now())
    assert drain() == 1200
    assert states(rows) == {"sent": 1200}
    assert Attempt.objects.filter(outcome="sent").count() == 1200


def test_a_delivery_that_was_sent_says_by_whom_and_when() -> None:
    provider(receipts="instant")
    (row,) = enter(make_application(), now=timezone.now())
    drain()
    delivery = Delivery.objects.get(pk=row.id)
    assert delivery.provider == "sms-a"
    assert delivery.status == "delivered"
    assert delivery.attempts == 1
    assert delivery.sent_at is not None
    assert delivery.delivered_at is not None
    assert delivery.lease is None


def test_a_failed_attempt_waits_in_the_table_for_its_retry() -> None:
    provider(error_rate=1.0, error="unavailable")
    (row,) = enter(make_application(), now=timezone.now())
    drain()
    delivery = Delivery.objects.get(pk=row.id)
    assert (delivery.status, delivery.attempts, delivery.error_code) == ("queued", 1, "unavailable")
    assert delivery.due_at > row.due_at


def test_without_a_provider_the_message_waits_and_no_attempt_is_counted() -> None:
    (row,) = enter(make_application(), now=timezone.now())
    drain()
    delivery = Delivery.objects.get(pk=row.id)
    assert (delivery.status, delivery.attempts, delivery.waits) == ("queued", 0, 1)
    assert delivery.error_code == "no_provider"


def test_attempts_used_up_become_a_dead_letter() -> None:
    provider(error_rate=1.0, error="unavailable")
    (row,) = enter(make_application(), now=timezone.now(), attempts=5)
    drain()
    assert Delivery.objects.get(pk=row.id).status == "dead"
    letter = DeadLetter.objects.get(delivery_id=row.id)
    assert letter.reason == "attempts_used_up"
    assert letter.attempts == 6


def test_what_is_past_its_deadline_is_not_sent() -> None:
    provider()
    now = timezone.now()
    rows = enter(make_application(), now=now - timedelta(hours=2), deadline=now - timedelta(seconds=1))
    drain()
    assert states(rows) == {"expired": 1}
    assert not Attempt.objects.exists()


@pytest.mark.django_db(transaction=True)  # the inbox is written from a provider's thread, on its own connection
def test_route_first_reaches_the_person_by_the_next_channel() -> None:
    provider(error_rate=1.0, error="recipient_rejected")
    provider("inbox", channel="inapp", adapter="inapp")
    (row,) = enter(make_application(), now=timezone.now(), route="first", channels=["sms", "inapp"])
    drain("sms.bulk")
    drain("inapp.bulk")
    found = dict(Delivery.objects.filter(notification_id=row.notification_id).values_list("channel", "status"))
    assert found == {"sms": "failed", "inapp": "delivered"}
    assert InboxMessage.objects.get().user_id == "u1"


def test_a_step_that_takes_too_long_gives_way_to_the_next() -> None:
    provider()
    now = timezone.now()
    (row,) = enter(
        make_application(), now=now, route="first", channels=["sms", "email"], step_deadline=now - timedelta(seconds=1)
    )
    drain()
    found = dict(Delivery.objects.filter(notification_id=row.notification_id).values_list("channel", "status"))
    assert found == {"sms": "failed", "email": "queued"}


def test_held_messages_are_what_an_unknown_outcome_leaves_where_the_channel_says_so() -> None:
    Channel.objects.create(name="sms", outcome_unknown="hold")
    provider(error_rate=1.0, error="outcome_unknown")
    rows = enter(make_application(), count=3, now=timezone.now())
    drain()
    assert states(rows) == {"held": 3}


def test_a_callback_is_queued_when_a_delivery_ends() -> None:
    provider()
    (row,) = enter(make_application(), now=timezone.now(), callback_url="https://app.example.com/hook")
    drain()
    callback = Delivery.objects.get(notification_id=row.notification_id, kind=1)
    assert (callback.lane, callback.status) == ("webhook.bulk", "queued")


def test_those_above_are_told_once_a_batch() -> None:
    provider()
    told: list[int] = []

    def listen(*, results: Any, **_rest: Any) -> None:
        told.append(len(results))

    signals.recorded.connect(listen)
    try:
        enter(make_application(), count=300, now=timezone.now())
        drain()
    finally:
        signals.recorded.disconnect(listen)
    assert sum(told) == 300
    assert len(told) < 100


def test_a_lane_that_is_drained_shows_a_pulse() -> None:
    provider()
    now = timezone.now()
    enter(make_application(), now=now)
    drain()
    enter(make_application(), now=now, due_in_s=-1)
    assert lanes.due_lanes(now=timezone.now())[0].seen_at is not None


def test_a_message_that_can_not_be_composed_takes_no_other_with_it() -> None:
    provider()
    application = make_application()
    now = timezone.now()
    rows = enter(application, count=3, now=now)
    (poison,) = enter(application, now=now, content='["not", "an object"]')
    drain()
    assert states(rows) == {"sent": 3}
    delivery = Delivery.objects.get(pk=poison.id)
    assert (delivery.status, delivery.error_code, delivery.attempts) == ("queued", "internal_error", 1)


def test_a_delivery_whose_batch_is_gone_ends_and_does_not_block_its_lane() -> None:
    provider()
    now = timezone.now()
    application = make_application()
    (orphan,) = enter(application, now=now, batch_of=uuid4())
    rows = enter(application, count=2, now=now)
    drain()
    assert states(rows) == {"sent": 2}
    assert Delivery.objects.get(pk=orphan.id).error_code == "orphaned"


def test_what_a_provider_says_is_stored_whatever_characters_it_holds() -> None:
    provider()
    (row,) = enter(make_application(), now=timezone.now())
    (one,) = claim("sms.bulk", now=timezone.now(), lease=(lease := uuid4()))
    (facts,) = content.facts_of([one]).values()
    error = Unavailable("odd \x00 \ud800 answer")
    rules = dispatch.rules(lane="sms.bulk", worker="test")
    outcome = outcomes.fail(claimed=one, facts=facts, error=error, now=timezone.now(), rules=rules)
    assert lanes.record(outcomes=[outcome], lease=lease, now=timezone.now()) == {row.id}


def test_a_drain_stops_at_its_time_and_rings_again(wait_for: WaitFor) -> None:
    import redis
    from django.conf import settings

    provider(latency_ms=50, max_concurrency=2)
    rows = enter(make_application(), count=200, now=timezone.now())
    drain(limit_s=0.3)
    found = states(rows)
    assert found["sent"] > 0
    assert found["queued"] > 0
    assert found["sending"] == 0
    client = redis.Redis.from_url(settings.REDIS_URL)
    wait_for(lambda: client.llen("sms.bulk") == 1)
    client.close()


@pytest.mark.django_db(transaction=True)
def test_a_drain_that_waits_for_its_provider_answers_the_bell(wait_for: WaitFor) -> None:
    provider(timeout_rate=1.0, timeout_s=5)
    first = enter(make_application(), now=timezone.now())
    thread = Thread(target=lambda: (drain(), connection.close()))
    thread.start()
    wait_for(lambda: states(first)["sending"] == 1)

    second = enter(make_application(), now=timezone.now())
    workers.note_ring("sms.bulk")

    wait_for(lambda: not workers.rung("sms.bulk"), timeout=4, message="the bell is answered")
    wait_for(lambda: states(second)["sending"] == 1, timeout=4, message="by a look into the lane")
    thread.join(20)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_to_stop_gives_back_what_it_has_not_handed_over(wait_for: WaitFor) -> None:
    provider(latency_ms=200, max_concurrency=2)
    rows = enter(make_application(), count=60, now=timezone.now())
    stop = Event()

    def work() -> None:
        try:
            dispatch.drain(lane="sms.bulk", worker="test", stopping=stop.is_set)
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    wait_for(lambda: states(rows)["sent"] > 0)
    stop.set()
    thread.join(10)
    found = states(rows)
    assert not thread.is_alive()
    assert found["sending"] == 0
    assert found["sent"] + found["queued"] == 60
    assert found["queued"] > 0


@pytest.mark.django_db(transaction=True)
def test_what_a_provider_said_is_written_down_even_when_the_database_was_away_for_a_moment(wait_for: WaitFor) -> None:
    provider("sms-slow", latency_ms=400)
    rows = enter(make_application(), count=3, now=timezone.now())
    thread = Thread(target=lambda: (drain(), connection.close()))
    thread.start()
    wait_for(lambda: is_asked("sms-slow"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    thread.join(10)
    assert states(rows) == {"sent": 3}
    assert Attempt.objects.count() == 3
