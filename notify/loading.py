"""Rows into tables, in one round trip."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import is_
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

#: From this many rows on, COPY is cheaper than an INSERT.
COPY_FROM: Final = 20
_SPECIAL: Final = re.compile(r"[\\\n\t\r]")


Table = tuple[str, Sequence[str], Sequence[NamedTuple]]


def insert(table: str, columns: Sequence[str], rows: Sequence[NamedTuple]) -> None:
    """Inserts ``rows`` in one round trip: by COPY when there are many."""
    insert_all((table, columns, rows))


def insert_all(*tables: Table) -> None:
    """Inserts rows into several tables: what is few all together in one round trip, what is many by COPY."""
    few = [one for one in tables if 0 < len(one[2]) < COPY_FROM]
    with connection.cursor() as cursor:
        if few:
            cursor.execute(
                ";".join(_insert_text(*one) for one in few),
                [value for _table, _columns, rows in few for row in rows for value in row],
            )
        for table, columns, rows in tables:
            if len(rows) >= COPY_FROM:
                cursor.copy_expert(f"COPY {table} ({_names(columns)}) FROM STDIN", io.StringIO(_copy_text(rows)))


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _insert_text(table: str, columns: Sequence[str], rows: Sequence[NamedTuple]) -> str:
    one = f"({', '.join(['%s'] * len(columns))})"
    return f"INSERT INTO {table} ({_names(columns)}) VALUES {', '.join([one] * len(rows))}"  # noqa: S608


def _copy_text(rows: Sequence[NamedTuple]) -> str:
    """Rows in the text format of COPY (https://www.postgresql.org/docs/18/sql-copy.html, "Text Format"). Column by
    column, since most columns of a batch hold one and the same value, or text with nothing in it to escape."""
    columns = [_copy_column(values) for values in zip(*rows, strict=True)]
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _copy_column(values: Sequence[Any]) -> Iterable[str]:
    if all(map(is_, values, repeat(values[0]))):
        return repeat(_copy_value(values[0]), len(values))
    kinds = set(map(type, values))
    if kinds == {UUID}:
        return map(str, values)
    if kinds == {str} and not _SPECIAL.search("".join(values)):
        return values
    return map(_copy_value, values)


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
