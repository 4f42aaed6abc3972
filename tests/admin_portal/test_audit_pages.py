"""The audit's pages: found by who, what and when; drawn as before and after; taken away as a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from admin_portal import audit
from admin_portal.audit import export, reading
from admin_portal.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LIST = "admin:admin_portal_auditentry_changelist"


@pytest.fixture
def auditor(db: None) -> Client:
    user = User.objects.create(username="auditor", is_staff=True)
    user.groups.add(Group.objects.get(name="Auditor"))
    client = Client()
    client.force_login(user)
    return client


def add(actor: str = "li", action: str = "plan.changed", target: str = "plan:a", **fields: Any) -> AuditEntry:
    return audit.record(**{"actor": actor, "action": action, "target": target, "now": NOW} | fields)


def numbers(client: Client, **query: str) -> set[int]:
    return {entry.number for entry in client.get(reverse(LIST), query).context["cl"].result_list}


def test_entries_are_found_by_who_what_and_when(auditor: Client) -> None:
    one = add().number
    two = add("wang", "plan.run.started", "plan:b", now=NOW + timedelta(hours=2)).number
    day = {"at_from_0": "2026-11-24", "at_from_1": "13:00:00", "at_to_0": "2026-11-24", "at_to_1": "15:00:00"}
    assert numbers(auditor, actor="li") & {one, two} == {one}
    assert numbers(auditor, action="plan.run.started") & {one, two} == {two}
    assert numbers(auditor, target="plan:b") & {one, two} == {two}
    assert numbers(auditor, **day) & {one, two} == {two}


def test_what_is_no_time_finds_nothing(auditor: Client) -> None:
    add()
    assert numbers(auditor, at_from_0="yesterday", at_from_1="noon") == set()


@pytest.mark.parametrize("text", ["Outage", "OLD-WEIGHT", "new-weight", "zhao", "192.0.2.8"])
def test_any_text_of_an_entry_finds_it(auditor: Client, text: str) -> None:
    add("wang")
    wanted = add(
        reason="the outage of tonight",
        before={"x": "old-weight"},
        after={"x": "new-weight"},
        approved_by=["zhao"],
        origin="192.0.2.8",
    )
    assert numbers(auditor, q=text) == {wanted.number}


def test_a_number_finds_its_entry(auditor: Client) -> None:
    one, _two = add(), add()
    assert numbers(auditor, q=str(one.number)) == {one.number}


def test_the_list_counts_no_rows(auditor: Client) -> None:
    for _ in range(60):
        add()
    with CaptureQueriesContext(connection) as queries:
        auditor.get(reverse(LIST), {"p": "2"})
    asked = [query["sql"] for query in queries if "auditentry" in query["sql"]]
    assert asked
    assert not [sql for sql in asked if "COUNT(" in sql]


def test_the_actions_offered_are_those_there_are() -> None:
    for action in ("b.x", "a.x", "b.x", "c.x"):
        add(action=action)
    assert reading.actions() == ["a.x", "b.x", "c.x"]


def test_an_entry_shows_before_and_after_and_escapes_them(auditor: Client) -> None:
    entry = add(before={"text": "one\ntwo\n"}, after={"text": "one\n<script>alert(1)</script>\n", "weight": 5})
    html = auditor.get(reverse("admin:admin_portal_auditentry_change", args=(entry.pk,))).content.decode()
    assert '<span class="portal-line-gone">two</span>' in html
    assert '<span class="portal-line-new">&lt;script&gt;alert(1)&lt;/script&gt;</span>' in html
    assert "<script>alert" not in html


@pytest.mark.parametrize("view", ["add", "delete", "change"])
def test_nobody_touches_an_entry_by_hand(admin: Client, view: str) -> None:
    entry = add()
    args = () if view == "add" else (entry.pk,)
    answer = admin.post(reverse(f"admin:admin_portal_auditentry_{view}", args=args), {"post": "yes", "actor": "x"})
    assert answer.status_code in (200, 403)
    assert AuditEntry.objects.get(pk=entry.pk).actor == "li"


def take(client: Client, kind: str, query: str = "") -> str:
    answer: Any = client.post(reverse("admin:admin_portal_auditentry_export", args=(kind,)) + query)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def test_the_list_is_taken_away_as_json_lines_with_its_filters(auditor: Client) -> None:
    add("wang")
    wanted = add(after={"词": "值"})
    rows = [json.loads(line) for line in take(auditor, "jsonl", "?actor=li").splitlines()]
    assert [row["number"] for row in rows] == [wanted.number]
    assert rows[0]["after"] == {"词": "值"}
    assert rows[0]["hash"] == wanted.hash


def test_taking_it_away_is_in_the_audit(auditor: Client) -> None:
    take(auditor, "csv", "?actor=li")
    entry = AuditEntry.objects.get(action="audit.exported")
    assert (entry.actor, entry.target, entry.after) == ("auditor", "audit:csv", {"filters": {"actor": "li"}})


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(auditor: Client, text: str) -> None:
    wanted = add(reason=text)
    rows = list(csv.DictReader(StringIO(take(auditor, "csv").removeprefix("\ufeff"), newline="")))
    (row,) = [row for row in rows if row["number"] == str(wanted.number)]
    assert row["reason"] == f"'{text}"


def test_more_than_is_read_at_a_time_is_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PORTION", 2)
    for _ in range(5):
        add(action="plan.many")
    rows = AuditEntry.objects.filter(action="plan.many")
    assert len(list(export.as_jsonl(rows))) == 5


def test_who_may_only_look_takes_nothing_away(sign_in: Callable[..., Client]) -> None:
    client = sign_in("admin_portal.view_auditentry")
    url = reverse("admin:admin_portal_auditentry_export", args=("csv",))
    assert client.post(url).status_code == 403
    assert "Export as" not in client.get(reverse(LIST)).content.decode()


def test_a_link_alone_takes_nothing_away(auditor: Client) -> None:
    assert auditor.get(reverse("admin:admin_portal_auditentry_export", args=("csv",))).status_code == 405
