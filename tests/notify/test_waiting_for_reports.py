"""Channels with ``outcome_unknown: report``: what may have arrived is not sent again by itself before its provider
should have reported it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from channels.models import Channel, Provider
from channels.types import DeliveryEvent
from notify import receipts, sweep
from notify.models import Delivery, EarlyReceipt, Event
from notify.rows import DeliveryRow
from tests.factories import make_application
from tests.notify.awaited import asked, configure, drain, state
from tests.notify.lane_rows import claim, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis", "fresh_caches")]

SILENT = {"error_rate": 1.0, "error": "outcome_unknown", "receipts": "later", "receipt_delay_ms": 3_600_000}
ROUTE = {"route": "first", "channels": ["sms", "email"]}


@pytest.fixture(autouse=True)
def journals(settings: Any, tmp_path: Path) -> Path:
    """A channel that waits for reports; A, which gives no answer and reports within ten seconds, and B, which is well.
    Where they write down what they took."""
    settings.CHANNELS = {**settings.CHANNELS, "SANDBOX_JOURNAL": tmp_path}
    Channel.objects.create(name="sms", outcome_unknown="report")
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", config={**SILENT, "report_within_s": 10})
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox", weight=0)
    return tmp_path


def send(*, ttl_s: float = 3600, **values: Any) -> DeliveryRow:
    now = timezone.now()
    (row,) = enter(make_application(), now=now, deadline=now + timedelta(seconds=ttl_s), **values)
    drain()
    return row


def report(row: DeliveryRow, *, delivered: bool = True) -> None:
    told = DeliveryEvent(provider_message_id=str(row.id), delivered=delivered, at=timezone.now(), detail="")
    receipts.take(provider="sms-a", events=[told], now=timezone.now())


def make_due(row: DeliveryRow) -> None:
    """Lets the time pass until a report should have come."""
    Delivery.objects.filter(pk=row.id).update(due_at=timezone.now())


def taken(journals: Path) -> int:
    """How many messages the providers have, all together."""
    return sum(len(path.read_bytes().splitlines()) for path in journals.glob("*.jsonl"))


def test_what_hung_and_went_out_is_ended_by_its_report_and_was_sent_once(journals: Path) -> None:
    row = send()
    assert (state(row).status, state(row).error_code) == ("queued", "report_awaited")
    report(row)
    make_due(row)
    drain()
    assert state(row).status == "delivered"
    assert asked() == [("sms-a", "outcome_unknown")]
    assert taken(journals) == 1


def test_what_hung_and_was_not_sent_is_sent_when_no_report_has_come_and_once(journals: Path) -> None:
    configure("sms-a", **SILENT, report_within_s=10, journal=False)  # it lost what it was handed
    before = timezone.now()
    row = send()
    assert before + timedelta(seconds=9.9) <= state(row).due_at <= timezone.now() + timedelta(seconds=11)
    drain()
    assert taken(journals) == 0  # not before its time
    configure("sms-a", receipts="later", report_within_s=10)
    make_due(row)
    drain()
    assert state(row).status == "sent"
    assert asked() == [("sms-a", "outcome_unknown"), ("sms-a", "sent")]
    assert taken(journals) == 1


def test_a_code_of_thirty_seconds_waits_for_its_report_instead_of_being_sent_twice() -> None:
    row = send(ttl_s=20)  # less than three times the wait
    assert (state(row).status, state(row).error_code) == ("queued", "report_awaited")
    assert asked() == [("sms-a", "outcome_unknown")]


@pytest.mark.parametrize("by_step", [False, True])
def test_what_has_no_time_for_its_report_is_held_and_a_late_report_ends_it(by_step: bool, journals: Path) -> None:
    row = send(**ROUTE, step_deadline=timezone.now() + timedelta(seconds=5)) if by_step else send(ttl_s=9)
    assert (state(row).status, state(row).error_code) == ("held", "outcome_unknown")
    report(row)
    assert state(row).status == "delivered"
    assert Delivery.objects.count() == 1  # no other channel
    assert taken(journals) == 1


def test_of_what_is_held_a_report_that_it_came_to_nothing_lets_the_next_channel_send() -> None:
    row = send(**ROUTE, step_deadline=timezone.now() + timedelta(seconds=5))
    report(row, delivered=False)
    assert state(row).status == "failed"
    assert Delivery.objects.get(channel="email").status == "queued"


def test_a_report_that_came_while_we_still_waited_for_the_answer_is_heard_before_anybody_is_asked_again(
    journals: Path,
) -> None:
    row = send()
    make_due(row)
    claim("sms.bulk", now=timezone.now())
    report(row)  # kept: what is being said to the provider decides
    Delivery.objects.filter(pk=row.id).update(status="queued", lease=None, lease_until=None)
    EarlyReceipt.objects.update(due_at=timezone.now() + timedelta(minutes=1))  # it was looked at before, in vain
    drain()
    assert (state(row).status, state(row).error_code, state(row).attempts) == ("queued", "report_awaited", 1)
    receipts.settle_early(now=timezone.now())
    assert state(row).status == "delivered"
    assert taken(journals) == 1


def test_a_report_of_nothing_that_is_kept_does_not_keep_its_message_for_ever(journals: Path) -> None:
    row = send()
    make_due(row)
    claim("sms.bulk", now=timezone.now())
    report(row, delivered=False)
    Delivery.objects.filter(pk=row.id).update(status="queued", lease=None, lease_until=None)
    drain()
    receipts.settle_early(now=timezone.now())
    configure("sms-a", receipts="later", report_within_s=10)
    make_due(row)
    drain()
    assert state(row).status == "sent"


def test_another_one_s_report_of_it_that_is_kept_is_not_waited_for() -> None:
    row, now = send(), timezone.now()
    EarlyReceipt.objects.create(
        provider="sms-b", provider_message_id=str(row.id), delivered=True, at=now, received_at=now, due_at=now
    )
    configure("sms-a", receipts="later", report_within_s=10)
    make_due(row)
    drain()
    assert state(row).status == "sent"


def test_where_the_reports_silence_lasts_until_the_end_a_person_decides() -> None:
    row = send()
    Delivery.objects.filter(pk=row.id).update(
        due_at=timezone.now(), deadline=timezone.now(), created_at=timezone.now() - timedelta(hours=1)
    )
    sweep.expire_overdue(lane="sms.bulk", worker="test", now=timezone.now())
    assert (state(row).status, state(row).error_code) == ("held", "outcome_unknown")
    report(row)
    assert state(row).status == "delivered"


def test_after_a_silent_report_refusals_end_it_as_ever_and_the_next_channel_says_what_may_be(settings: Any) -> None:
    settings.LANES = {**settings.LANES, "MAX_ATTEMPTS": {**settings.LANES["MAX_ATTEMPTS"], "bulk": 2}}
    row = send(**ROUTE, step_deadline=timezone.now() + timedelta(minutes=1))
    configure("sms-a", error_rate=1.0, error="unavailable", receipts="later", report_within_s=10)
    configure("sms-b", error_rate=1.0, error="unavailable")
    make_due(row)
    drain()
    assert state(row).status == "failed"
    assert Delivery.objects.get(channel="email").status == "queued"
    told = Event.objects.get(delivery_id=row.id, type="switched").reason
    assert told.startswith("it may have arrived by sms too")


@pytest.mark.parametrize("config", [SILENT, {"timeout_rate": 1.0}])
def test_without_the_promise_of_a_report_it_is_held_as_ever(config: dict[str, Any]) -> None:
    Provider.objects.filter(name="sms-a").update(timeout_s=0.1)
    configure("sms-a", **config)
    row = send()
    assert (state(row).status, state(row).error_code) == ("held", "outcome_unknown")
    assert asked() == [("sms-a", "outcome_unknown")]


def test_what_a_dead_worker_had_is_held_as_ever(settings: Any) -> None:
    settings.LANES = {**settings.LANES, "RESTART_GRACE_S": 0.0}
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    claim("sms.bulk", now=now, lease=uuid4())
    Delivery.objects.filter(pk=row.id).update(lease_until=now - timedelta(minutes=5))
    sweep.settle_expired_leases(worker="test", now=now)
    assert (state(row).status, state(row).error_code) == ("held", "outcome_unknown")


def test_a_refusal_falls_over_to_the_next_provider_as_ever() -> None:
    configure("sms-a", error_rate=1.0, error="unavailable", receipts="later", report_within_s=10)
    assert state(send()).status == "sent"
    assert asked() == [("sms-a", "unavailable"), ("sms-b", "sent")]
