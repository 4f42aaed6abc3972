"""The books: they balance, and they would not if something were missing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from notify.models import Delivery
from notify.reconciliation import reconcile
from tests.factories import make_application, make_attempt, make_batch, make_delivery, make_notification

pytestmark = pytest.mark.django_db


def since_an_hour() -> object:
    return timezone.now() - timedelta(hours=1)


def test_everything_accepted_is_terminal_or_in_flight() -> None:
    application = make_application()
    for status in ("sent", "sent", "failed", "queued", "sending", "held"):
        make_delivery(make_notification(application), status)
    found = reconcile(since=timezone.now() - timedelta(hours=1))
    assert found.accepted == 6
    assert found.terminal == {"failed": 1, "held": 1, "sent": 2}
    assert found.in_flight == {"queued": 1, "sending": 1}
    assert found.balanced


def test_what_was_sent_is_on_its_way_while_its_provider_is_to_report_on_it() -> None:
    application, now = make_application(), timezone.now()
    for until in (None, now - timedelta(seconds=1), now + timedelta(hours=1)):
        make_delivery(make_notification(application), "sent", receipt_until=until)
    make_delivery(make_notification(application), "delivered", receipt_until=now + timedelta(hours=1))
    found = reconcile(since=now - timedelta(hours=1))
    assert found.terminal == {"delivered": 1, "sent": 2}
    assert found.in_flight == {"sent": 1}
    assert (found.accepted, found.unaccounted) == (4, 0)


def test_a_notification_whose_delivery_is_gone_is_unaccounted() -> None:
    notification = make_notification(make_application(), channels=["sms", "email"])
    make_delivery(notification, "sent", channel="sms")
    found = reconcile(since=timezone.now() - timedelta(hours=1))
    assert (found.accepted, found.unaccounted) == (2, 1)


def test_a_delivery_without_its_notification_is_unaccounted() -> None:
    notification = make_notification(make_application())
    make_delivery(notification, "sent")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notify_notification WHERE id = %s", [notification.id])
    assert reconcile(since=timezone.now() - timedelta(hours=1)).unaccounted > 0


def test_a_batch_of_which_a_part_is_missing_is_unaccounted() -> None:
    application = make_application()
    batch = make_batch(application, accepted=3)
    for _ in range(2):
        make_delivery(make_notification(application, batch=batch), "sent")
    found = reconcile(since=timezone.now() - timedelta(hours=1))
    assert (found.accepted, found.unaccounted) == (3, 1)


def test_the_steps_of_route_first_are_each_accounted_for() -> None:
    notification = make_notification(make_application(), channels=["sms", "email"], route="first")
    make_delivery(notification, "failed", channel="sms")
    assert reconcile(since=timezone.now() - timedelta(hours=1)).balanced
    make_delivery(notification, "sent", channel="email", step=1)
    found = reconcile(since=timezone.now() - timedelta(hours=1))
    assert (found.accepted, found.unaccounted) == (2, 0)


def test_one_sent_after_an_unknown_outcome_is_a_suspected_duplicate() -> None:
    delivery = make_delivery(make_notification(make_application()), "sent")
    make_attempt(delivery, "outcome_unknown")
    make_attempt(delivery, "sent", number=2)
    clean = make_delivery(make_notification(make_application()), "sent")
    make_attempt(clean, "unavailable")
    make_attempt(clean, "sent", number=2)
    assert reconcile(since=timezone.now() - timedelta(hours=1)).suspected_duplicates == 1


def test_the_command_prints_json_and_exits_with_1_when_the_books_do_not_balance(
    capsys: pytest.CaptureFixture[str],
) -> None:
    delivery = make_delivery(make_notification(make_application()), "sent")
    call_command("reconcile")
    assert json.loads(capsys.readouterr().out)["unaccounted"] == 0
    Delivery.objects.filter(pk=delivery.pk).delete()
    with pytest.raises(SystemExit) as stopped:
        call_command("reconcile")
    assert stopped.value.code == 1


@pytest.mark.parametrize(
    "since", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-14:00"]
)
def test_the_command_counts_from_any_time_that_can_be_written(capsys: pytest.CaptureFixture[str], since: str) -> None:
    make_delivery(make_notification(make_application()), "sent")

    call_command("reconcile", since=since)

    assert json.loads(capsys.readouterr().out)["accepted"] == (0 if since.startswith("9999") else 1)


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01T00:00:00Z", "1790000000"])
def test_the_command_says_what_it_takes_for_a_time(since: str) -> None:
    with pytest.raises(CommandError, match="--since"):
        call_command("reconcile", since=since)
