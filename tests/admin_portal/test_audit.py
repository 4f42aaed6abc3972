"""The audit: written once, chained, and nothing altered unnoticed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from admin_portal import audit
from admin_portal.audit import chain
from admin_portal.audit.verification import verify
from admin_portal.models import AuditEntry

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ODD = {
    "whole": 1e16,
    "small": 1e-7,
    "zero": -0.0,
    "nothing": float("nan"),
    "money": Decimal("1.10"),
    "span": timedelta(minutes=5),
    "id": UUID(int=7),
    "at": NOW,
    "nul": "a\0b",
    "half": "\ud800",
    "words": {"b", "a"},
    7: ["通知", None, True],
}


def add(action: str = "provider.changed", **fields: Any) -> AuditEntry:
    return audit.record(**{"actor": "li", "action": action, "target": "provider:smtp-a", "now": NOW} | fields)


@pytest.mark.django_db
def test_an_entry_says_who_did_what_and_why() -> None:
    add(before={"weight": 1}, after={"weight": 0}, reason="errors", approved_by=("wang",), origin="10.0.0.9")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.origin, entry.target, entry.at) == ("li", "10.0.0.9", "provider:smtp-a", NOW)
    assert (entry.before, entry.after, entry.reason, entry.approved_by) == (
        {"weight": 1},
        {"weight": 0},
        "errors",
        ["wang"],
    )


@pytest.mark.django_db
def test_entries_are_numbered_without_gaps_and_each_names_the_hash_before_it() -> None:
    first, second = add(), add()
    assert (first.number, second.number) == (1, 2)
    assert (first.previous_hash, second.previous_hash) == (chain.GENESIS, first.hash)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_no_gap() -> None:
    first = add()
    with transaction.atomic():
        add()
        transaction.set_rollback(True)
    assert add().number == first.number + 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE admin_portal_auditentry SET actor = 'nobody'",
        "DELETE FROM admin_portal_auditentry",
        "TRUNCATE admin_portal_auditentry",
    ],
)
def test_the_database_refuses_to_alter_an_entry(statement: str) -> None:
    add()
    with connection.cursor() as cursor:
        # Tests' databases are emptied between tests; everywhere else this trigger is never off.
        cursor.execute("ALTER TABLE admin_portal_auditentry ENABLE ALWAYS TRIGGER audit_keeps_all")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(f"SET LOCAL session_replication_role = replica; {statement}")
    assert AuditEntry.objects.get().actor == "li"


@pytest.mark.django_db
def test_what_the_database_gives_back_has_the_hash_that_was_stored() -> None:
    add(before=ODD, after=ODD, reason="a\0b", actor="x" * 300)
    entry = AuditEntry.objects.get()
    content = chain.Content(
        number=entry.number,
        at=entry.at,
        actor=entry.actor,
        origin=entry.origin,
        request_id=entry.request_id,
        action=entry.action,
        target=entry.target,
        before=entry.before,
        after=entry.after,
        reason=entry.reason,
        approved_by=entry.approved_by,
    )
    assert chain.digest(content, previous_hash=entry.previous_hash) == entry.hash


@pytest.mark.django_db(transaction=True)
def test_those_who_write_at_once_write_one_chain() -> None:
    def write() -> None:
        try:
            for _ in range(10):
                with transaction.atomic():
                    add()
        finally:
            connection.close()

    before = verify().checked
    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    verdict = verify()
    assert (verdict.checked, verdict.fault) == (before + 60, None)
