"""What is altered, removed or moved in the audit is found, and the first such entry is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from admin_portal import audit
from admin_portal.audit import verification
from admin_portal.audit.verification import Fault, Head, verify
from admin_portal.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def tamper(db: None) -> Callable[[str], None]:
    """Runs a statement as somebody who owns the table and has switched its triggers off."""

    def run(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE admin_portal_auditentry DISABLE TRIGGER ALL")
            cursor.execute(statement)

    return run


def fill(number: int) -> None:
    for index in range(number):
        audit.record(actor="li", action="plan.changed", target="plan:x", after={"version": index + 0.5}, now=NOW)


def test_an_untouched_chain_is_whole() -> None:
    fill(5)
    verdict = verify()
    last = AuditEntry.objects.latest("number")
    assert (verdict.checked, verdict.fault) == (5, None)
    assert verdict.head == Head(number=5, hash=last.hash)


def test_no_entries_are_whole() -> None:
    assert verify() == verification.Verdict(checked=0, head=None, fault=None)


@pytest.mark.parametrize(
    "column",
    [
        "actor = 'wang'",
        "at = at + interval '1 us'",
        "after = '{}'",
        "reason = 'x'",
        "approved_by = '{li}'",
        "origin = ''",
    ],
)
def test_an_altered_entry_is_named(tamper: Callable[[str], None], column: str) -> None:
    fill(5)
    tamper(f"UPDATE admin_portal_auditentry SET {column} WHERE number = 3")
    assert verify().fault == Fault(kind="altered", number=3)


def test_a_removed_entry_is_named(tamper: Callable[[str], None]) -> None:
    fill(5)
    tamper("DELETE FROM admin_portal_auditentry WHERE number = 2")
    assert verify().fault == Fault(kind="missing", number=2)


def test_a_removed_beginning_is_named(tamper: Callable[[str], None]) -> None:
    fill(5)
    tamper("DELETE FROM admin_portal_auditentry WHERE number <= 2")
    assert verify().fault == Fault(kind="missing", number=1)


def test_entries_that_changed_places_are_named(tamper: Callable[[str], None]) -> None:
    fill(5)
    tamper("UPDATE admin_portal_auditentry SET number = -number WHERE number IN (2, 3)")
    tamper("UPDATE admin_portal_auditentry SET number = 5 + number WHERE number < 0")
    assert verify().fault == Fault(kind="altered", number=2)


def test_an_entry_that_was_forged_with_its_hash_breaks_the_next_link(tamper: Callable[[str], None]) -> None:
    fill(5)
    entry = AuditEntry.objects.get(number=3)
    entry.actor = "wang"
    forged = verification.chain.digest(verification.content_of(entry), previous_hash=entry.previous_hash)
    tamper(f"UPDATE admin_portal_auditentry SET actor = 'wang', hash = '{forged}' WHERE number = 3")
    assert verify().fault == Fault(kind="unlinked", number=4)


def test_a_cut_off_end_shows_against_a_head_kept_elsewhere(tamper: Callable[[str], None]) -> None:
    fill(5)
    kept = verify().head
    tamper("DELETE FROM admin_portal_auditentry WHERE number > 3")
    assert verify().fault is None
    assert verify(known=kept).fault == Fault(kind="truncated", number=4)
    fill(3)
    assert verify(known=kept).fault == Fault(kind="truncated", number=5)


def test_more_entries_than_are_read_at_a_time_are_all_followed(
    tamper: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_PORTION", 2)
    fill(7)
    assert verify().checked == 7
    tamper("UPDATE admin_portal_auditentry SET actor = 'wang' WHERE number = 7")
    assert verify().fault == Fault(kind="altered", number=7)


def test_the_command_prints_the_head_and_takes_it_back() -> None:
    fill(3)
    out = StringIO()
    call_command("verify_audit", stdout=out)
    head = AuditEntry.objects.get(number=3)
    assert out.getvalue().splitlines() == ["3 entries checked", f"head 3:{head.hash}"]
    call_command("verify_audit", head=Head(number=3, hash=head.hash), stdout=StringIO())


def test_the_command_names_the_entry_and_fails(tamper: Callable[[str], None]) -> None:
    fill(3)
    tamper("UPDATE admin_portal_auditentry SET actor = 'wang' WHERE number = 2")
    err = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_audit", stdout=StringIO(), stderr=err)
    assert stopped.value.code == 1
    assert "entry 2 does not say what was written" in err.getvalue()


def test_a_head_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="NUMBER:HASH"):
        call_command("verify_audit", "--head", "3-abc")
