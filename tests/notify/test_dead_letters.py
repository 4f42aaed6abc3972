"""Dead letters: replayed once, with their history, and never while alive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from channels.models import Provider
from notify import dead_letters, dispatch
from notify.dead_letters import DeadLetterFilter
from notify.models import Attempt, DeadLetter, Delivery, Event
from tests.factories import make_application, make_dead_letter, make_delivery, make_notification

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


def bury(application: object = None, **values: object) -> DeadLetter:
    notification = make_notification(application or make_application(), channels=["sms"], content={"text": "x"})  # type: ignore[arg-type]
    delivery = make_delivery(notification, "dead", channel="sms", attempts=8)
    return make_dead_letter(delivery, **values)


def test_a_replay_brings_the_delivery_back_with_the_attempts_it_had() -> None:
    letter = bury()
    done = dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now())
    assert (done.matched, done.done, done.skipped) == (1, 1, [])
    delivery = Delivery.objects.get(pk=letter.delivery_id)
    assert (delivery.status, delivery.attempts, delivery.replays, delivery.error_code) == ("queued", 8, 1, "")
    assert delivery.deadline > timezone.now() + timedelta(hours=1)
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("replayed", "li")
    assert Event.objects.get(delivery_id=letter.delivery_id).actor == "li"


def test_a_replayed_delivery_is_sent_and_its_numbers_go_on() -> None:
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={})
    letter = bury()
    dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now())
    dispatch.drain(lane="sms.normal", worker="test", stopping=lambda: False)
    assert Delivery.objects.get(pk=letter.delivery_id).status == "sent"
    assert Attempt.objects.get(delivery_id=letter.delivery_id).number == 9


def test_a_dead_letter_can_not_be_replayed_twice() -> None:
    letter = bury()
    now = timezone.now()
    dead_letters.replay(ids=[letter.id], actor="li", now=now)
    again = dead_letters.replay(ids=[letter.id], actor="li", now=now)
    assert again.done == 0
    assert [skip.reason for skip in again.skipped] == ["already_replayed"]


def test_a_delivery_that_is_alive_is_left_alone() -> None:
    letter = bury()
    Delivery.objects.filter(pk=letter.delivery_id).update(status="sending")
    done = dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now())
    assert [skip.reason for skip in done.skipped] == ["alive"]
    letter.refresh_from_db()
    assert letter.state == "open"


@pytest.mark.django_db(transaction=True)
def test_of_many_replays_at_once_one_wins() -> None:
    letter = bury()
    now = timezone.now()

    def replay(_: int) -> int:
        try:
            return dead_letters.replay(ids=[letter.id], actor="li", now=now).done
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(replay, range(6))) == 1
    assert Delivery.objects.get(pk=letter.delivery_id).replays == 1


def test_a_discarded_letter_is_closed_and_its_delivery_stays_dead() -> None:
    letter = bury()
    assert dead_letters.discard(ids=[letter.id], actor="li", now=timezone.now()).done == 1
    assert Delivery.objects.get(pk=letter.delivery_id).status == "dead"
    assert dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now()).done == 0


def test_a_filter_means_the_open_letters_of_that_application_that_match() -> None:
    mine, other = make_application(), make_application()
    wanted = [bury(mine, reason="deadline") for _ in range(3)]
    bury(mine, reason="attempts_used_up")
    bury(other, reason="deadline")
    bury(mine, reason="deadline", state="discarded")
    done = dead_letters.replay(
        application=mine, where=DeadLetterFilter(reason="deadline"), actor="li", now=timezone.now()
    )
    assert (done.matched, done.done) == (3, 3)
    assert set(DeadLetter.objects.filter(state="replayed").values_list("pk", flat=True)) == {one.pk for one in wanted}


def test_another_tenant_s_letter_is_as_good_as_unknown() -> None:
    letter = bury()
    done = dead_letters.replay(application=make_application(), ids=[letter.id, uuid4()], actor="li", now=timezone.now())
    assert [skip.reason for skip in done.skipped] == ["unknown", "unknown"]
    assert done.matched == 0


def test_a_replay_that_fails_again_is_a_letter_again() -> None:
    Provider.objects.create(
        name="sms-a", channel="sms", adapter="sandbox", config={"error_rate": 1.0, "error": "unavailable"}
    )
    letter = bury()
    dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now())
    Delivery.objects.filter(pk=letter.delivery_id).update(attempts=15)
    dispatch.drain(lane="sms.normal", worker="test", stopping=lambda: False)
    states = DeadLetter.objects.filter(delivery_id=letter.delivery_id).order_by("created_at")
    assert sorted(states.values_list("state", flat=True)) == ["open", "replayed"]
