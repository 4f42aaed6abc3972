"""The audit as a file, row by row: nothing is held in memory, however much it is."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from admin_portal.models import AuditEntry

COLUMNS: Final = (
    "number",
    "at",
    "actor",
    "origin",
    "request_id",
    "action",
    "target",
    "before",
    "after",
    "reason",
    "approved_by",
    "previous_hash",
    "hash",
)
_PORTION: Final = 2_000
#: A spreadsheet takes a cell that begins so for a formula, and does what it says.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """A file whose ``write`` gives the line back: csv writes to nothing else."""

    def write(self, line: str) -> str:
        return line


def entries(rows: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    """``rows``, the newest first, a portion at a time."""
    edge: int | None = None
    while True:
        among = rows if edge is None else rows.filter(number__lt=edge)
        portion = list(among.order_by("-number")[:_PORTION])
        if not portion:
            return
        yield from portion
        edge = portion[-1].number


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}


def guarded(value: Any) -> str:
    """``value`` as the text of a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_csv(rows: QuerySet[AuditEntry]) -> Iterator[str]:
    """Comma-separated values with a heading, marked as UTF-8 for spreadsheets."""
    writer = csv.writer(_Echo())
    yield "\ufeff"
    yield writer.writerow(COLUMNS)
    for entry in entries(rows):
        yield writer.writerow([guarded(value) for value in _fields(entry).values()])


def as_jsonl(rows: QuerySet[AuditEntry]) -> Iterator[str]:
    """One JSON object a line."""
    for entry in entries(rows):
        yield json.dumps(_fields(entry), ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file."""

    write: Callable[[QuerySet[AuditEntry]], Iterator[str]]
    content_type: str


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(as_csv, "text/csv; charset=utf-8"),
    "jsonl": Format(as_jsonl, "application/x-ndjson; charset=utf-8"),
}
