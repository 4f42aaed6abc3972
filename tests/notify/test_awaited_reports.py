"""What gave no answer, and whose provider soon reports what came of it: nobody else is asked before that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from channels import directory
from channels.models import Channel, Provider
from channels.types import DeliveryEvent
from notify import receipts
from notify.models import Delivery
from notify.rows import DeliveryRow
from tests.factories import make_application
from tests.notify.awaited import asked, configure, drain, state
from tests.notify.lane_rows import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]


@pytest.fixture(autouse=True)
def _providers() -> None:
    """A, which gives no answer and reports within ten seconds, and B, which is well."""
    silent = {"error_rate": 1.0, "error": "outcome_unknown", "receipts": "later", "report_within_s": 10}
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config=silent)
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox", weight=0)


def send(**values: Any) -> DeliveryRow:
    (row,) = enter(make_application(), now=timezone.now(), **values)
    drain()
    return row


def test_it_waits_for_the_report_and_nobody_else_is_asked() -> None:
    before = timezone.now()
    delivery = state(send())
    assert (delivery.status, delivery.error_code, delivery.attempts) == ("queued", "report_awaited", 1)
    assert delivery.due_at >= before + timedelta(seconds=10)
    assert asked() == [("sms-a", "outcome_unknown")]


def test_what_is_reported_as_delivered_is_not_sent_again() -> None:
    row, now = send(), timezone.now()
    told = DeliveryEvent(provider_message_id=str(row.id), delivered=True, at=now, detail="")
    receipts.take(provider="sms-a", events=[told], now=now)
    assert state(row).status == "delivered"
    drain()
    assert asked() == [("sms-a", "outcome_unknown")]


def test_when_no_report_has_come_another_is_asked_and_the_doubt_stays() -> None:
    row = send()
    Provider.objects.filter(name="sms-a").update(enabled=False)
    configure("sms-b", error_rate=1.0, error="unavailable")
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())
    drain()
    assert asked() == [("sms-a", "outcome_unknown"), ("sms-b", "unavailable")]
    assert state(row).error_code == "outcome_unknown"


def test_what_has_no_time_to_wait_is_sent_by_another_at_once() -> None:
    row = send(deadline=timezone.now() + timedelta(seconds=20))
    assert state(row).status == "sent"
    assert asked() == [("sms-a", "outcome_unknown"), ("sms-b", "sent")]


def test_a_report_that_should_have_come_by_now_is_not_waited_for() -> None:
    Provider.objects.filter(name="sms-a").update(timeout_s=0.2)
    configure("sms-a", timeout_rate=1.0, receipts="later", report_within_s=0.1)
    assert state(send()).status == "sent"
    assert asked() == [("sms-a", "outcome_unknown"), ("sms-b", "sent")]


def test_a_channel_that_prefers_a_loss_to_a_duplicate_holds_it_as_before() -> None:
    Channel.objects.create(name="sms", outcome_unknown="hold")
    directory.forget()
    delivery = state(send())
    assert (delivery.status, delivery.error_code) == ("held", "outcome_unknown")


def test_a_clear_refusal_is_not_waited_about() -> None:
    configure("sms-a", error_rate=1.0, error="unavailable", receipts="later", report_within_s=10)
    assert state(send()).status == "sent"
    assert asked() == [("sms-a", "unavailable"), ("sms-b", "sent")]
