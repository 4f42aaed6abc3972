"""The audit as people read it: which actions there are, a text in the newest entries, why it was done and what it
changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from admin_portal.audit.recording import PLATFORM
from admin_portal.engine_words import told
from admin_portal.models import AuditEntry
from channels.acting import ENGINE

#: No index serves a search for any piece of text: so many of the newest entries are looked through.
SEARCHED: Final = 200_000
# A jump to the next action in the index for each action, however many entries there are.
_ACTIONS: Final = """
WITH RECURSIVE known AS (
    (SELECT action FROM admin_portal_auditentry ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT action FROM admin_portal_auditentry WHERE action > known.action ORDER BY action LIMIT 1)
    FROM known WHERE known.action IS NOT NULL
)
SELECT action FROM known WHERE action IS NOT NULL
"""


def actions() -> list[str]:
    """Every action that was ever written down."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIONS)
        return [row[0] for row in cursor.fetchall()]


def search(rows: QuerySet[AuditEntry], term: str, *, everywhere: bool) -> QuerySet[AuditEntry]:
    """Those of ``rows`` that say ``term`` somewhere, in any letter case; the newest SEARCHED, or ``everywhere`` when
    ``rows`` are narrow already. A number finds its entry."""
    if term.isdecimal() and len(term) < 19:
        return rows.filter(number=int(term))
    if not everywhere:
        newest = AuditEntry.objects.order_by("-number").values_list("number", flat=True).first() or 0
        rows = rows.filter(number__gt=newest - SEARCHED)
    rows = rows.alias(
        old=Cast("before", TextField()), new=Cast("after", TextField()), approvers=Cast("approved_by", TextField())
    )
    fields = ("actor", "origin", "request_id", "action", "target", "reason", "old", "new", "approvers")
    said = Q()
    for field in fields:
        said |= Q(**{f"{field}__icontains": term})
    return rows.filter(said)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text that was changed."""

    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A field that was changed; ``lines`` when it is a text of several lines."""

    name: str
    before: str | None
    after: str | None
    lines: tuple[Line, ...] = ()


_KINDS: Final[Mapping[str, Literal["same", "gone", "new"]]] = {" ": "same", "-": "gone", "+": "new"}
#: Comparing line by line takes time by the square.
_MOST_LINES: Final = 400


def reason(entry: AuditEntry) -> str:
    """Why, as the one who did it wrote; what the platform wrote itself, in the reader's language."""
    return told(entry.reason) if entry.actor in {ENGINE.name, PLATFORM} else entry.reason


def changes(entry: AuditEntry) -> list[Row]:
    """What ``entry`` says was before and after, field by field."""
    before, after = entry.before or {}, entry.after or {}
    return [_row(name, before, after) for name in {**before, **after}]


def _row(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Row:
    old = _text(before[name]) if name in before else None
    new = _text(after[name]) if name in after else None
    return Row(name, old, new, _lines(old, new) if old is not None and new is not None else ())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    several = isinstance(value, list | dict) and len(json.dumps(value)) > 60
    return json.dumps(value, ensure_ascii=False, indent=2 if several else None)


def _lines(old: str, new: str) -> tuple[Line, ...]:
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) < 2 or len(before) + len(after) > _MOST_LINES:
        return ()
    found = difflib.ndiff(before, after)
    return tuple(Line(_KINDS[line[0]], line[2:]) for line in found if line[0] in _KINDS)
