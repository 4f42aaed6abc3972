"""A drain when something goes wrong in it: what is in hand comes home, and one bad row takes no other along."""

from __future__ import annotations

from collections import Counter
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from channels.models import Provider
from notify import callbacks, content, dispatch, lanes, outcomes, workers
from notify.models import Attempt, DeadLetter, Delivery
from notify.rows import DeliveryRow
from tests.conftest import WaitFor
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


def provider(name: str = "sms-a", **config: Any) -> Provider:
    fields = {key: config.pop(key) for key in ("weight", "max_concurrency", "timeout_s") if key in config}
    return Provider.objects.create(name=name, channel="sms", adapter="sandbox", config=config, **fields)


def drain(**options: Any) -> int:
    return dispatch.drain(lane="sms.bulk", worker="test", stopping=lambda: False, **options)


def states(rows: list[DeliveryRow]) -> Counter[str]:
    return Counter(Delivery.objects.filter(pk__in=[row.id for row in rows]).values_list("status", flat=True))


def in_a_thread(work: Any) -> Thread:
    thread = Thread(target=lambda: (work(), connection.close()))
    thread.start()
    return thread


def test_an_outcome_that_can_not_be_decided_is_held_and_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    provider(error_rate=1.0, error="unavailable")
    bad, *rest = enter(make_application(), count=5, now=timezone.now())
    decide = outcomes.fail

    def fail(*, claimed: Any, **facts: Any) -> Any:
        if claimed.id == bad.id:
            raise TypeError
        return decide(claimed=claimed, **facts)

    monkeypatch.setattr(outcomes, "fail", fail)
    drain()
    assert states(rest) == {"queued": 4}
    held = Delivery.objects.get(pk=bad.id)
    assert (held.status, held.error_code) == ("held", "internal_error")


def test_what_was_sent_is_sent_even_when_its_callback_can_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    provider()
    (row,) = enter(make_application(), now=timezone.now(), callback_url="https://app.example.com/hook")

    def refuse(**_facts: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(callbacks, "row", refuse)
    drain()
    assert states([row]) == {"sent": 1}


def test_a_row_that_the_database_refuses_keeps_its_bare_status(monkeypatch: pytest.MonkeyPatch) -> None:
    provider()
    application = make_application()
    (row,) = enter(application, now=timezone.now(), callback_url="https://app.example.com/hook")
    rest = enter(application, count=3, now=timezone.now())
    make = callbacks.row
    monkeypatch.setattr(callbacks, "row", lambda **facts: make(**facts)._replace(payload="{not json"))
    drain()
    assert states([row, *rest]) == {"sent": 4}


def test_what_is_given_up_can_be_replayed_whatever_of_it_the_database_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    provider(error_rate=1.0, error="unavailable")
    (row,) = enter(make_application(), now=timezone.now(), callback_url="https://app.example.com/hook", attempts=99)
    make = callbacks.row
    monkeypatch.setattr(callbacks, "row", lambda **facts: make(**facts)._replace(payload="{not json"))
    drain()
    assert states([row]) == {"dead": 1}
    (letter,) = DeadLetter.objects.filter(delivery_id=row.id)
    assert (letter.reason, letter.detail) == ("attempts_used_up", "")


def test_a_row_that_can_not_be_read_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    provider()
    bad, *rest = enter(make_application(), count=4, now=timezone.now())
    read = content.facts_of

    def facts_of(claimed: Any) -> Any:
        if any(one.id == bad.id for one in claimed):
            raise ValueError
        return read(claimed)

    monkeypatch.setattr(content, "facts_of", facts_of)
    drain()
    assert states(rest) == {"sent": 3}
    assert states([bad]) == {"held": 1}


@pytest.mark.django_db(transaction=True)
def test_an_answer_recorded_by_a_commit_that_was_not_heard_of_is_not_written_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider()
    rows = enter(make_application(), count=3, now=timezone.now())
    real, calls = lanes.record, []

    def record(**values: Any) -> Any:
        calls.append(values)
        written = real(**values)
        if len(calls) == 1:
            raise OperationalError
        return written

    monkeypatch.setattr(lanes, "record", record)
    drain()
    assert states(rows) == {"sent": 3}
    assert Attempt.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_whatever_escapes_a_drain_what_is_under_way_comes_home_first(monkeypatch: pytest.MonkeyPatch) -> None:
    provider(latency_ms=300, max_concurrency=4)
    rows = enter(make_application(), count=40, now=timezone.now())
    real, calls = lanes.claim, []

    def claim(**values: Any) -> Any:
        calls.append(values)
        if len(calls) > 1:
            raise RuntimeError
        return real(**values)

    monkeypatch.setattr(lanes, "claim", claim)
    with pytest.raises(RuntimeError):
        drain()
    found = states(rows)
    assert found["sent"] >= 2
    assert found["sending"] == 0
    assert found["sent"] + found["queued"] == 40


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_answer_was_lost_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    provider()
    rows = enter(make_application(), count=5, now=timezone.now())
    real = lanes.claim

    def claim(**values: Any) -> Any:
        real(**values)
        raise OperationalError

    monkeypatch.setattr(lanes, "claim", claim)
    with pytest.raises(OperationalError):
        drain()
    assert states(rows) == {"queued": 5}


@pytest.mark.django_db(transaction=True)
def test_what_passed_to_another_while_it_was_being_said_stays_the_other_s(settings: Any, wait_for: WaitFor) -> None:
    settings.LANES = {**settings.LANES, "LEASE_S": 3}
    provider(latency_ms=1500, max_concurrency=2)
    provider("sms-b", latency_ms=1500, max_concurrency=2)
    rows = enter(make_application(), count=3, now=timezone.now())
    thread = in_a_thread(drain)
    wait_for(lambda: states(rows)["sending"] >= 2)
    taken = Delivery.objects.filter(status="sending").values_list("pk", flat=True)
    lost = list(taken)
    Delivery.objects.filter(pk__in=lost).update(lease=uuid4())
    thread.join(20)
    # What was being said at that moment can't be unsaid: the attempt is kept, the delivery is the other's.
    assert states([row for row in rows if row.id in lost]) == {"sending": len(lost)}


@pytest.mark.django_db(transaction=True)
def test_what_was_lost_and_is_got_back_while_it_is_being_said_is_said_once(wait_for: WaitFor) -> None:
    provider(latency_ms=1500, max_concurrency=16)
    rows = enter(make_application(), count=2, now=timezone.now())
    handled: list[int] = []
    thread = in_a_thread(lambda: handled.append(drain()))
    wait_for(lambda: states(rows)["sending"] == 2)
    # As after standing still for longer than a lease: the sweep gave them back, and this drain is the first to look.
    Delivery.objects.filter(pk__in=[row.id for row in rows]).update(status="queued", lease=None, lease_until=None)
    workers.note_ring("sms.bulk")
    thread.join(20)
    assert handled == [2]
    assert states(rows) == {"sent": 2}
    assert Attempt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_hung_provider_of_two_does_not_set_the_pace_of_the_lane(wait_for: WaitFor) -> None:
    provider("hung", timeout_rate=1.0, max_concurrency=16, timeout_s=9)
    provider("fine", latency_ms=5, max_concurrency=16)
    rows = enter(make_application(), count=600, now=timezone.now())
    thread = in_a_thread(drain)
    wait_for(lambda: states(rows)["sent"] >= 580, timeout=8)
    assert Attempt.objects.filter(provider="hung").count() == 0  # none of its timeouts is over yet
    thread.join(30)
    assert states(rows) == {"sent": 600}


@pytest.mark.django_db(transaction=True)
def test_what_was_sent_and_can_not_be_written_down_is_not_given_back_as_if_it_were_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider()
    rows = enter(make_application(), count=2, now=timezone.now())
    real = lanes.claim

    def refuse(**_values: Any) -> None:
        raise ValueError

    def claim(**values: Any) -> Any:
        claimed = real(**values)
        if not claimed:
            raise OperationalError  # the drain can't know that nothing is left under its lease
        return claimed

    monkeypatch.setattr(lanes, "record", refuse)
    monkeypatch.setattr(lanes, "claim", claim)
    with pytest.raises(OperationalError):
        drain()
    assert states(rows) == {"sending": 2}
