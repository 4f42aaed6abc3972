"""What providers report becomes what their deliveries are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from channels import directory, quality
from channels.models import Provider
from channels.types import DeliveryEvent
from notify import dispatch, lanes, partitions, receipts
from notify.models import Delivery, DeliveryKind, EarlyReceipt, Event
from notify.rows import DeliveryRow, Outcome
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


@pytest.fixture(autouse=True)
def sms_a() -> Provider:
    """A provider that reports, by our own ids."""
    return Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={"receipts": "later"})


def send(*, count: int = 1, **values: Any) -> list[DeliveryRow]:
    """Messages that the provider has taken."""
    rows = enter(make_application(), count=count, now=timezone.now(), **values)
    dispatch.drain(lane="sms.bulk", worker="test", stopping=lambda: False)
    return rows


def send_past_a_silent_one(silent: Provider, *, b_refuses: bool, **values: Any) -> list[DeliveryRow]:
    """Messages that ``silent`` took without an answer, and that another one was asked for then."""
    Provider.objects.filter(pk=silent.pk).update(
        config={"receipts": "later", "error_rate": 1.0, "error": "outcome_unknown"}
    )
    refuses = {"error_rate": 1.0, "error": "unavailable"} if b_refuses else {}
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox", weight=0, config=refuses)
    return send(**values)


def event(of: UUID | str, *, delivered: bool = True, at: datetime | None = None, detail: str = "") -> DeliveryEvent:
    return DeliveryEvent(provider_message_id=str(of), delivered=delivered, at=at or timezone.now(), detail=detail)


def take(*events: DeliveryEvent, provider: str = "sms-a", now: datetime | None = None) -> dict[str, int]:
    counts = receipts.take(provider=provider, events=events, now=now or timezone.now())
    return {str(meaning): count for meaning, count in counts.items()}


def state(row: DeliveryRow) -> Delivery:
    return Delivery.objects.get(pk=row.id)


def steps_of(row: DeliveryRow) -> list[tuple[str, str]]:
    rows = Delivery.objects.filter(notification_id=row.notification_id, kind=DeliveryKind.MESSAGE)
    return list(rows.order_by("step").values_list("channel", "status"))


def events_of(row: DeliveryRow) -> list[tuple[str, str]]:
    return list(Event.objects.filter(delivery_id=row.id).order_by("id").values_list("type", "outcome"))


FIRST: dict[str, Any] = {"route": "first", "channels": ["sms", "email"]}
UNKNOWN = {"sent": "", "held": "outcome_unknown"}


class TestOne:
    def test_what_is_reported_as_delivered_is(self) -> None:
        (row,) = send()
        at = timezone.now()
        assert take(event(row.id, at=at)) == {"delivered": 1}
        delivery = state(row)
        assert (delivery.status, delivery.error_code) == ("delivered", "")
        assert delivery.delivered_at == at
        assert events_of(row) == [("receipt", "delivered")]

    def test_it_was_not_delivered_before_it_was_sent_nor_tomorrow(self) -> None:
        early, late = send(count=2)
        now = timezone.now()
        take(event(early.id, at=now - timedelta(days=3)), event(late.id, at=now + timedelta(days=3)), now=now)
        assert state(early).delivered_at == state(early).sent_at
        assert state(late).delivered_at == now

    def test_what_is_reported_as_not_delivered_failed_for_good(self) -> None:
        (row,) = send()
        assert take(event(row.id, delivered=False, detail="the number is not in use")) == {"failed": 1}
        delivery = state(row)
        assert (delivery.status, delivery.error_code) == ("failed", "undelivered")
        assert "the number is not in use" in delivery.error_detail
        assert events_of(row) == [("receipt", "undelivered")]

    def test_the_next_channel_of_its_route_takes_over_from_what_was_not_delivered(self) -> None:
        (row,) = send(**FIRST)
        take(event(row.id, delivered=False))
        assert steps_of(row) == [("sms", "failed"), ("email", "queued")]
        assert events_of(row) == [("receipt", "undelivered"), ("switched", "")]

    @pytest.mark.parametrize("status", ["sent", "held"])
    def test_no_channel_takes_over_from_what_was_cancelled_while_it_was_being_sent(self, status: str) -> None:
        (row,) = enter(make_application(), now=timezone.now(), **FIRST)
        lease = uuid4()
        claim("sms.bulk", now=timezone.now(), lease=lease)
        assert lanes.cancel(notification_ids=[row.notification_id], actor="li", now=timezone.now()) == 1
        outcome = Outcome(id=row.id, status=status, provider="sms-a", error_code=UNKNOWN[status])
        lanes.record(outcomes=[outcome], lease=lease, now=timezone.now())

        assert take(event(row.id, delivered=False)) == {"failed": 1}
        assert steps_of(row) == [("sms", "failed")]
        assert events_of(row)[-1] == ("receipt", "undelivered")

    def test_a_provider_is_known_by_its_own_ids_too(self) -> None:
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(provider_message_id="SM-17")
        assert take(event("SM-17")) == {"delivered": 1}

    def test_nobody_reports_on_what_another_provider_took(self) -> None:
        (row,) = send()
        assert take(event(row.id), provider="sms-b") == {"early": 1}
        assert state(row).status == "sent"

    @pytest.mark.parametrize("b_refuses", [True, False])
    def test_who_gave_no_answer_and_reports_it_as_delivered_is_believed_though_another_was_asked_since(
        self, sms_a: Provider, b_refuses: bool
    ) -> None:
        (row,) = send_past_a_silent_one(sms_a, b_refuses=b_refuses)
        assert state(row).status == ("queued" if b_refuses else "sent")
        assert take(event(row.id)) == {"delivered": 1}
        assert (state(row).status, state(row).provider) == ("delivered", "sms-a")
        assert claim("sms.bulk", now=timezone.now() + timedelta(hours=1)) == []

    @pytest.mark.parametrize("b_refuses", [True, False])
    def test_who_was_asked_before_another_does_not_say_what_came_of_that(
        self, sms_a: Provider, b_refuses: bool
    ) -> None:
        (row,) = send_past_a_silent_one(sms_a, b_refuses=b_refuses)
        before = state(row).status
        assert take(event(row.id, delivered=False)) == {"ignored": 1}
        assert state(row).status == before

    def test_what_left_its_channel_and_is_reported_as_delivered_goes_no_further(self, sms_a: Provider) -> None:
        (row,) = send_past_a_silent_one(sms_a, b_refuses=True, attempts=7, **FIRST)
        assert steps_of(row) == [("sms", "failed"), ("email", "queued")]
        assert take(event(row.id)) == {"delivered": 1}
        assert steps_of(row) == [("sms", "delivered"), ("email", "cancelled")]

    def test_the_application_is_told(self) -> None:
        rows = send(count=2, callback_url="https://example.com/hook")
        take(event(rows[0].id), event(rows[1].id, delivered=False))
        told = Delivery.objects.filter(kind=DeliveryKind.CALLBACK).order_by("id").values_list("payload", flat=True)
        found = [orjson.loads(one)["type"] if isinstance(one, str) else one["type"] for one in told]
        assert sorted(found) == ["delivery.delivered", "delivery.failed", "delivery.sent", "delivery.sent"]

    def test_what_cannot_be_stored_is_cleaned(self) -> None:
        assert take(event("a\0b", detail="\ud800")) == {"early": 1}


class TestOrder:
    def test_the_same_again_changes_nothing(self) -> None:
        delivered, failed = send(count=2)
        said = [event(delivered.id), event(failed.id, delivered=False)]
        take(*said)
        before = [Delivery.objects.filter(pk=row.id).values().get() for row in (delivered, failed)]
        assert take(*said, *said) == {"duplicate": 4}
        assert [Delivery.objects.filter(pk=row.id).values().get() for row in (delivered, failed)] == before
        assert events_of(delivered) == [("receipt", "delivered")]

    def test_what_was_delivered_stays_delivered(self) -> None:
        (row,) = send(**FIRST)
        take(event(row.id))
        assert take(event(row.id, delivered=False)) == {"contradicted": 1}
        assert steps_of(row) == [("sms", "delivered")]

    def test_what_failed_and_is_reported_as_delivered_after_all_is(self) -> None:
        (row,) = send()
        take(event(row.id, delivered=False))
        assert take(event(row.id)) == {"delivered": 1}
        assert (state(row).status, state(row).error_code) == ("delivered", "")

    def test_the_channel_that_took_over_is_called_back_then(self) -> None:
        (row,) = send(**FIRST)
        take(event(row.id, delivered=False))
        take(event(row.id))
        assert steps_of(row) == [("sms", "delivered"), ("email", "cancelled")]

    @pytest.mark.parametrize("order", [(True, False), (False, True)])
    def test_contrary_reports_in_one_callback_come_to_the_same_in_any_order(self, order: tuple[bool, bool]) -> None:
        (row,) = send(**FIRST)
        assert take(*(event(row.id, delivered=delivered) for delivered in order)) == {"delivered": 1, "duplicate": 1}
        assert steps_of(row) == [("sms", "delivered")]

    @pytest.mark.parametrize("status", ["queued", "held"])
    def test_what_was_taken_after_all_is_not_sent_again(self, status: str) -> None:
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(status=status, error_code="outcome_unknown", sent_at=None)
        assert take(event(row.id)) == {"delivered": 1}
        assert claim("sms.bulk", now=timezone.now() + timedelta(hours=1)) == []
        assert state(row).sent_at is not None

    def test_what_is_held_and_was_not_delivered_needs_no_person(self) -> None:
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(status="held", error_code="outcome_unknown")
        assert take(event(row.id, delivered=False)) == {"failed": 1}

    @pytest.mark.parametrize(
        ("status", "delivered"), [("dead", False), ("expired", False), ("cancelled", False), ("cancelled", True)]
    )
    def test_other_ends_stand(self, status: str, delivered: bool) -> None:
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(status=status)
        assert take(event(row.id, delivered=delivered)) == {"ignored": 1}
        assert state(row).status == status

    @pytest.mark.parametrize("status", ["dead", "expired"])
    def test_but_what_has_arrived_has_whatever_had_become_of_it(self, status: str) -> None:
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(status=status)
        assert take(event(row.id)) == {"delivered": 1}
        assert state(row).status == "delivered"


class TestEarly:
    def test_a_receipt_that_is_quicker_than_our_own_record_is_kept_until_that_is_there(self) -> None:
        (row,) = enter(make_application(), now=timezone.now())
        now = timezone.now()
        assert take(event(row.id), now=now) == {"early": 1}
        dispatch.drain(lane="sms.bulk", worker="test", stopping=lambda: False)
        assert receipts.settle_early(now=now + timedelta(seconds=1)) == 1
        assert state(row).status == "delivered"
        assert not EarlyReceipt.objects.exists()

    def test_what_is_being_said_to_its_provider_is_waited_for(self) -> None:
        (row,) = send()
        lease = uuid4()
        Delivery.objects.filter(pk=row.id).update(status="queued")
        (claimed,) = claim("sms.bulk", now=timezone.now(), lease=lease)
        assert take(event(row.id)) == {"early": 1}
        assert state(row).status == "sending"
        lanes.release(ids=[claimed.id], lease=lease, now=timezone.now())
        receipts.settle_early(now=timezone.now() + timedelta(seconds=2))
        assert state(row).status == "delivered"

    def test_receipts_of_no_message_of_ours_are_forgotten_soon(self, settings: Any) -> None:
        now = timezone.now()
        take(event("nobody"), event(uuid4()), now=now)
        looks = 0
        for second in range(1, 2 * settings.LANES["EARLY_RECEIPT_S"]):
            looks += receipts.settle_early(now=now + timedelta(seconds=second))
        assert not EarlyReceipt.objects.exists()
        assert looks < 20

    def test_the_same_again_is_kept_once(self) -> None:
        take(event("nobody"), event("nobody"))
        take(event("nobody"))
        assert EarlyReceipt.objects.count() == 1

    def test_with_none_to_look_at_it_is_one_query(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            assert receipts.settle_early(now=timezone.now()) == 0


class TestMany:
    def test_a_callback_costs_as_many_statements_for_thousands_as_for_one(
        self, django_assert_max_num_queries: Any
    ) -> None:
        rows = send(count=2000, **FIRST)
        said = [event(row.id, delivered=number % 2 == 0) for number, row in enumerate(rows)]
        with django_assert_max_num_queries(20):
            assert take(*said) == {"delivered": 1000, "failed": 1000}

    def test_each_day_that_counts_is_looked_up_by_index(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                "EXPLAIN SELECT d.id FROM notify_delivery d WHERE d.provider_message_id = ANY (ARRAY['x', 'y'])"
                " AND d.receipt_until IS NOT NULL AND d.provider = 'sms-a'"
            )
            plan = [line for (line,) in cursor.fetchall()]
        assert not [line for line in plan if "Seq Scan" in line]
        assert sum("Index Cond: ((provider_message_id)" in line for line in plan) == len(partitions_of_deliveries())


def partitions_of_deliveries() -> list[str]:
    return [*map(str, partitions.existing_days("notify_delivery")), "default"]


class TestQuality:
    def rename(self, provider: Provider) -> str:
        """A name of which this process has counted nothing yet."""
        name = f"sms-{uuid4().hex[:8]}"
        Provider.objects.filter(pk=provider.pk).update(name=name)
        directory.forget()
        return name

    def figures(self, name: str) -> Any:
        """Of what was sent until some seconds ago, as seen in a while."""
        quality.publish(now=timezone.now())
        span = quality.Span(window_s=60, late_after_s=10)
        later = timezone.now() + timedelta(seconds=20)
        return quality.read(spans=[span], now=later).figures(name, span=span)

    def test_a_receipt_is_counted_with_its_delay_once(
        self, sms_a: Provider, django_capture_on_commit_callbacks: Any
    ) -> None:
        name = self.rename(sms_a)
        rows = send(count=3)
        came = timezone.now() + timedelta(seconds=5)
        with django_capture_on_commit_callbacks(execute=True):
            take(event(rows[0].id), event(rows[1].id, delivered=False), now=came, provider=name)
            take(event(rows[0].id), now=came, provider=name)
        figures = self.figures(name)
        assert (figures.receipts_due, figures.receipts_come, figures.receipts_failed) == (3, 2, 1)
        assert 4 < figures.receipt_p95_s < 6

    def test_what_a_test_key_sent_counts_for_nobody(
        self, sms_a: Provider, django_capture_on_commit_callbacks: Any
    ) -> None:
        name = self.rename(sms_a)
        (row,) = send()
        Delivery.objects.filter(pk=row.id).update(is_test=True)
        with django_capture_on_commit_callbacks(execute=True):
            take(event(row.id), provider=name)
        assert self.figures(name).receipts_come == 0
