"""Rows into tables, in one round trip."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from django.db import connection

#: From this many rows on, COPY is cheaper than an INSERT.
COPY_FROM: Final = 20


def insert(table: str, columns: Sequence[str], rows: Sequence[NamedTuple]) -> None:
    """Inserts ``rows`` in one round trip: by COPY when there are many."""
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if len(rows) >= COPY_FROM:
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", io.StringIO(_copy_text(rows)))
        else:
            one = f"({', '.join(['%s'] * len(columns))})"
            cursor.execute(
                f"INSERT INTO {table} ({names}) VALUES {', '.join([one] * len(rows))}",  # noqa: S608
                [value for row in rows for value in row],
            )


def _copy_text(rows: Iterable[NamedTuple]) -> str:
    """Rows in the text format of COPY (https://www.postgresql.org/docs/18/sql-copy.html, "Text Format")."""
    return "".join(["\t".join([_copy_value(value) for value in row]) + "\n" for row in rows])


def _copy_value(value: object) -> str:
    if value is None:
        return "\\N"
    if value.__class__ is str:
        text = str(value)
    elif isinstance(value, list):
        text = "{" + ",".join(value) + "}"  # only channel names, which need no quoting
    elif value is True or value is False:
        return "t" if value else "f"
    else:
        return str(value)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return text
