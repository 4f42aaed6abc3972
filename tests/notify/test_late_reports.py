"""Reports that come when all is over: who has a message has it, and is not told again, by whatever channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels import directory
from channels.degradation import standings
from channels.degradation.standing import ChannelStanding, ChannelState, ProviderStanding, ProviderState
from channels.models import Channel, Provider
from channels.types import DeliveryEvent
from notify import dead_letters, dispatch, queries, receipts, sweep
from notify.api import presentation
from notify.models import DeadLetter, Delivery, DeliveryKind, Event, Notification
from notify.reconciliation import reconcile
from notify.rows import DeliveryRow
from tests.factories import (
    make_application,
    make_attempt,
    make_batch,
    make_client,
    make_dead_letter,
    make_delivery,
    make_notification,
)
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]

SILENT = {"receipts": "later", "error_rate": 1.0, "error": "outcome_unknown"}
_LAST = 7  # one attempt of bulk is left


@pytest.fixture(autouse=True)
def sms_a() -> Provider:
    """A provider that takes messages without an answer, and reports by our own ids."""
    return Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config=SILENT)


def drain(lane: str = "sms.bulk") -> None:
    dispatch.drain(lane=lane, worker="test", stopping=lambda: False)


def bury(**values: Any) -> DeliveryRow:
    """A message that is a dead letter, and may have arrived."""
    (row,) = enter(make_application(), now=timezone.now(), **{"attempts": _LAST, **values})
    drain()
    assert state(row).status == "dead"
    return row


def report(of: UUID, *, delivered: bool = True, provider: str = "sms-a") -> dict[str, int]:
    said = DeliveryEvent(provider_message_id=str(of), delivered=delivered, at=timezone.now(), detail="")
    counts = receipts.take(provider=provider, events=[said], now=timezone.now())
    return {str(meaning): count for meaning, count in counts.items()}


def state(row: DeliveryRow) -> Delivery:
    return Delivery.objects.get(pk=row.id)


def letter_of(row: DeliveryRow) -> DeadLetter:
    return DeadLetter.objects.get(delivery_id=row.id)


def events_of(row: DeliveryRow) -> list[tuple[str, str]]:
    return list(Event.objects.filter(delivery_id=row.id).order_by("id").values_list("type", "outcome"))


class TestDead:
    def test_what_was_buried_and_has_arrived_is_delivered_and_nobody_can_send_it_again(self) -> None:
        row = bury()
        assert report(row.id) == {"delivered": 1}
        assert (state(row).status, state(row).error_code) == ("delivered", "")
        assert state(row).delivered_at is not None
        letter = letter_of(row)
        assert (letter.state, letter.resolved_by) == ("delivered", "sms-a")
        assert letter.resolved_at is not None
        assert events_of(row) == [("buried", ""), ("receipt", "delivered")]

        again = dead_letters.replay(ids=[letter.id], actor="li", now=timezone.now())
        assert (again.done, [skip.reason for skip in again.skipped]) == (0, ["already_delivered"])
        assert claim("sms.bulk", now=timezone.now() + timedelta(hours=1)) == []

    def test_the_same_again_and_the_contrary_change_nothing(self) -> None:
        row = bury()
        report(row.id)
        before = letter_of(row).resolved_at
        assert report(row.id) == {"duplicate": 1}
        assert report(row.id, delivered=False) == {"contradicted": 1}
        assert (state(row).status, letter_of(row).resolved_at) == ("delivered", before)

    def test_that_it_was_not_delivered_leaves_it_to_a_person(self) -> None:
        row = bury()
        assert report(row.id, delivered=False) == {"ignored": 1}
        assert (state(row).status, letter_of(row).state) == ("dead", "open")

    def test_who_was_never_asked_is_not_believed(self) -> None:
        row = bury()
        assert report(row.id, provider="sms-b") == {"early": 1}
        assert (state(row).status, letter_of(row).state) == ("dead", "open")

    def test_what_a_person_had_discarded_stays_so_and_its_delivery_is_delivered(self) -> None:
        row = bury()
        dead_letters.discard(ids=[letter_of(row).id], actor="li", now=timezone.now())
        assert report(row.id) == {"delivered": 1}
        assert state(row).status == "delivered"
        assert (letter_of(row).state, letter_of(row).resolved_by) == ("discarded", "li")

    def test_what_was_replayed_and_waits_goes_no_further(self) -> None:
        row = bury()
        dead_letters.replay(ids=[letter_of(row).id], actor="li", now=timezone.now())
        assert report(row.id) == {"delivered": 1}
        assert (state(row).status, letter_of(row).state) == ("delivered", "replayed")
        assert claim("sms.bulk", now=timezone.now() + timedelta(hours=1)) == []

    def test_of_two_burials_the_open_one_is_closed(self) -> None:
        row = bury()
        dead_letters.replay(ids=[letter_of(row).id], actor="li", now=timezone.now())
        Delivery.objects.filter(pk=row.id).update(attempts=15)
        drain()
        report(row.id)
        letters = DeadLetter.objects.filter(delivery_id=row.id).order_by("created_at")
        assert list(letters.values_list("state", flat=True)) == ["replayed", "delivered"]

    def test_the_application_is_told_and_can_list_it(self) -> None:
        row = bury(callback_url="https://example.com/hook")
        report(row.id)
        told = Delivery.objects.filter(kind=DeliveryKind.CALLBACK).order_by("id").values_list("payload", flat=True)
        found = [orjson.loads(one)["type"] if isinstance(one, str) else one["type"] for one in told]
        assert found == ["delivery.dead", "delivery.delivered"]
        client = make_client(state(row).application)
        (listed,) = client.get("/api/v1/dead-letters?state=delivered").json()["results"]
        assert (listed["state"], listed["resolved_by"]) == ("delivered", "sms-a")
        assert client.get("/api/v1/dead-letters").json()["results"] == []

    def test_batches_and_the_books_count_it_where_it_is(self) -> None:
        application = make_application()
        batch = make_batch(application, accepted=1)
        (row,) = enter(application, now=timezone.now(), attempts=_LAST, batch_of=batch.id)
        drain()
        assert queries.batch_counts(batch)["dead"] == 1
        report(row.id)
        counts = queries.batch_counts(batch)
        awaited = queries.batch_awaited(batch, now=timezone.now())
        shown = presentation.batch(batch, counts, is_test=False, awaited=awaited)
        assert (counts["dead"], counts["delivered"]) == (0, 1)
        assert (shown["complete"], shown["failures"], shown["awaiting_receipts"]) == (True, 0, 0)
        books = reconcile(since=timezone.now() - timedelta(hours=1))
        assert (books.terminal, books.in_flight, books.unaccounted) == ({"delivered": 1}, {}, 0)


def test_what_expired_and_has_arrived_is_delivered() -> None:
    """Nobody took it and it used up no attempt, as the next provider asked for patience; but the first was asked."""
    Provider.objects.create(
        name="sms-b", channel="sms", adapter="sandbox", weight=0, config={"error_rate": 1.0, "error": "throttled"}
    )
    (row,) = enter(make_application(), now=timezone.now())
    drain()
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now(), deadline=timezone.now())
    sweep.expire_overdue(lane="sms.bulk", worker="test", now=timezone.now())
    assert (state(row).status, state(row).attempts) == ("expired", 0)
    assert report(row.id) == {"delivered": 1}
    assert state(row).status == "delivered"


def test_letters_are_locked_before_deliveries_as_a_replay_does_it() -> None:
    row = bury()
    with CaptureQueriesContext(connection) as ran:
        report(row.id)
    locks = [query["sql"] for query in ran if "FOR UPDATE" in query["sql"]]
    assert ["notify_deadletter" in lock for lock in locks] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_of_a_replay_and_a_report_at_once_one_closes_the_letter() -> None:
    """Neither waits for the other in a circle, and who comes second sees what the first has done."""
    application = make_application()
    for _turn in range(4):
        letters = [_buried(application) for _ in range(40)]
        names = [str(letter.delivery_id) for letter in letters]
        barrier = Barrier(2)

        def replay(letters: list[DeadLetter] = letters, barrier: Barrier = barrier) -> None:
            barrier.wait()
            ids = [letter.id for letter in reversed(letters)]
            dead_letters.replay(ids=ids, actor="li", now=timezone.now())

        def tell(names: list[str] = names, barrier: Barrier = barrier) -> None:
            now = timezone.now()
            said = [DeliveryEvent(provider_message_id=name, delivered=True, at=now, detail="") for name in names]
            barrier.wait()
            receipts.take(provider="sms-a", events=said, now=now)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(_apart, one) for one in (replay, tell)]:
                done.result()
        for letter in letters:
            letter.refresh_from_db()
            delivery = Delivery.objects.get(pk=letter.delivery_id)
            assert (letter.state, delivery.replays) in [("delivered", 0), ("replayed", 1)]
            assert delivery.status == "delivered"  # it was not sent meanwhile: nobody drains


def _buried(application: Any) -> DeadLetter:
    delivery = make_delivery(make_notification(application, channels=["sms"]), "dead", channel="sms", provider="sms-a")
    make_attempt(delivery, "outcome_unknown")
    return make_dead_letter(delivery)


def _apart(do: Any) -> None:
    try:
        do()
    finally:
        connection.close()


class TestStandIns:
    """With route *all*: of what may have arrived another channel takes over, beside the notification's own channels."""

    @pytest.fixture
    def row(self) -> DeliveryRow:
        """sms, which may have arrived and for which email stands in. Beside it push, which waits on its own channel,
        and voice, for which email stands in as well."""
        Channel.objects.create(name="sms", fallback=["email"])
        Provider.objects.create(name="email-a", channel="email", adapter="sandbox")
        (row,) = enter(make_application(), now=timezone.now(), priority="normal", channels=["sms", "push", "voice"])
        drain("sms.normal")
        notification = Notification.objects.get(pk=row.notification_id)
        make_delivery(notification, "queued", channel="push", step=1)
        make_delivery(notification, "failed", channel="voice", step=2, error_code="switched")
        make_delivery(notification, "queued", channel="email", step=2)
        _leave("sms")
        Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
        drain("sms.normal")
        assert self.rows_of(row) == [*self.SMS_LEFT, *self.OTHERS]
        return row

    SMS_LEFT = (("sms", "failed"), ("email", "queued"))
    OTHERS = (("push", "queued"), ("voice", "failed"), ("email", "queued"))

    def rows_of(self, row: DeliveryRow) -> list[tuple[str, str]]:
        rows = Delivery.objects.filter(notification_id=row.notification_id, kind=DeliveryKind.MESSAGE)
        return list(rows.order_by("step", "id").values_list("channel", "status"))

    def stand_in(self, row: DeliveryRow) -> Delivery:
        return Delivery.objects.get(notification_id=row.notification_id, step=0, channel="email")

    def test_the_one_of_what_has_arrived_is_called_off_and_no_other(self, row: DeliveryRow) -> None:
        assert report(row.id) == {"delivered": 1}
        assert self.rows_of(row) == [("sms", "delivered"), ("email", "cancelled"), *self.OTHERS]
        called_off = Event.objects.get(notification_id=row.notification_id, type="cancelled")
        assert (called_off.delivery_id, called_off.actor) == (self.stand_in(row).id, "sms-a")

    def test_one_that_is_being_sent_is_not_tried_again(self, row: DeliveryRow) -> None:
        claim("email.normal", now=timezone.now())
        report(row.id)
        assert self.stand_in(row).cancel_requested
        assert Delivery.objects.filter(cancel_requested=True).count() == 1

    def test_one_that_was_sent_was_sent(self, row: DeliveryRow) -> None:
        drain("email.normal")
        report(row.id)
        assert self.rows_of(row)[:2] == [("sms", "delivered"), ("email", "sent")]

    def test_that_it_was_not_delivered_leaves_the_stand_in_alone(self, row: DeliveryRow) -> None:
        assert report(row.id, delivered=False) == {"ignored": 1}
        assert self.rows_of(row) == [*self.SMS_LEFT, *self.OTHERS]


def _leave(channel: str) -> None:
    """From now on ``channel`` sends to its fallback."""
    now = timezone.now()
    since: dict[str, Any] = {"share": 0.0, "since": now, "changed_at": now, "reason": "dead"}
    away = ProviderStanding(state=ProviderState.OPEN, next_probe_at=now + timedelta(hours=1), **since)
    switched = ChannelStanding(state=ChannelState.SWITCHED, **since)
    standings.write(standings={f"channel:{channel}": switched, f"provider:{channel}-a": away})
    directory.forget()
