"""What the engine does is in the audit as well: each change once, in order, also those that appeared late."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from admin_portal.audit import transitions
from admin_portal.models import AuditEntry
from channels.models import DegradationEvent

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "_LOOK_AGAIN_S", -1.0)


def happen(target: str = "provider:a") -> DegradationEvent:
    return DegradationEvent.objects.create(
        target=target,
        before="healthy",
        after="open",
        share_before=1.0,
        share_after=0.0,
        reason="nothing but errors",
        at=NOW,
    )


def taken() -> list[int]:
    entries = AuditEntry.objects.filter(action=transitions.ACTION).order_by("number")
    return [entry.after["event"] for entry in entries if entry.after]


@pytest.mark.django_db
def test_an_event_becomes_an_entry_by_the_engine() -> None:
    event = happen()
    assert transitions.take_over() == 1
    entry = AuditEntry.objects.get(action=transitions.ACTION)
    assert (entry.actor, entry.target, entry.reason, entry.at) == ("engine", "provider:a", "nothing but errors", NOW)
    assert entry.before == {"state": "healthy", "share": 1}
    assert entry.after is not None
    assert (entry.after["state"], entry.after["event"]) == ("open", event.pk)


@pytest.mark.django_db
def test_each_event_is_taken_once_and_in_order() -> None:
    first = [happen().pk for _ in range(3)]
    transitions.take_over()
    assert transitions.take_over() == 0
    second = [happen().pk for _ in range(2)]
    transitions.take_over()
    assert taken() == first + second


@pytest.mark.django_db
def test_many_events_are_taken_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "_AT_ONCE", 3)
    monkeypatch.setattr(transitions, "_WINDOW", 4)
    events = [happen().pk for _ in range(11)]
    while transitions.take_over():
        pass
    assert taken() == events


@pytest.mark.django_db
def test_an_event_whose_transaction_was_slow_is_taken_afterwards() -> None:
    slow, quick = happen(), happen()
    # As if its number was drawn first, and its transaction ended last.
    DegradationEvent.objects.filter(pk=slow.pk).delete()
    transitions.take_over()
    slow.save(force_insert=True)
    transitions.take_over()
    assert taken() == [quick.pk, slow.pk]


@pytest.mark.django_db(transaction=True)
def test_two_who_take_over_at_once_take_each_event_once() -> None:
    events = [happen().pk for _ in range(20)]

    def run() -> None:
        try:
            transitions.take_over()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert taken() == events


@pytest.mark.django_db(transaction=True)
def test_what_crashes_in_the_middle_is_done_whole_the_next_time() -> None:
    events = [happen().pk for _ in range(3)]
    with transaction.atomic():
        transitions.take_over()
        transaction.set_rollback(True)
    transitions.take_over()
    assert taken() == events
