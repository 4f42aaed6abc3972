"""Rows into tables, in one round trip."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import repeat
from operator import is_
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection

from notify import prepared
from notify.prepared import Prepared

#: From this many rows on, COPY is cheaper than an INSERT.
COPY_FROM: Final = 20
_SPECIAL: Final = re.compile(r"[\\\n\t\r]")


Table = tuple[str, tuple[str, ...], Sequence[NamedTuple]]


def insert(table: str, columns: tuple[str, ...], rows: Sequence[NamedTuple]) -> None:
    """Inserts ``rows`` in one round trip: by COPY when there are many."""
    insert_all((table, columns, rows))


def insert_all(*tables: Table) -> None:
    """Inserts rows into several tables: what is few all together in one round trip, what is many by COPY."""
    # Django wraps what execute() raises, and not what COPY does.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        _write(cursor, tables)


def goes_in_one_trip(*tables: Table) -> bool:
    """Whether ``insert_all`` sends all of it at once: PostgreSQL stores all that comes in one message, or none."""
    return all(len(rows) < COPY_FROM for _table, _columns, rows in tables)


def _write(cursor: Any, tables: Sequence[Table]) -> None:
    few = [one for one in tables if 0 < len(one[2]) < COPY_FROM]
    if few and all(len(rows) == 1 for _table, _columns, rows in few):
        prepared.run(cursor, *((_single(table, columns), rows[0]) for table, columns, rows in few))
    elif few:
        cursor.execute(
            ";".join(_insert_text(*one) for one in few),
            [value for _table, _columns, rows in few for row in rows for value in row],
        )
    for table, columns, rows in tables:
        if len(rows) >= COPY_FROM:
            cursor.copy_expert(f"COPY {table} ({_names(columns)}) FROM STDIN", io.StringIO(_copy_text(rows)))


class Feeder:
    """Inserts in the background, one portion behind whoever makes the rows: while PostgreSQL takes one in, the next is
    made. On this thread's connection and in its transaction, so nothing else may be asked of it in between. What fails
    is raised by the next call, or at the end."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feeder")
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Feeder:
        connection.ensure_connection()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        try:
            if kind is None:
                self._wait()
            elif self._under_way is not None:
                self._under_way.exception()  # waited for, and of no interest any more
        finally:
            self._pool.shutdown()

    def insert_all(self, *tables: Table) -> None:
        """Begins to insert, once what is under way is through."""
        self._wait()
        self._under_way = self._pool.submit(self._insert, connection.connection, tables)

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            with connection.wrap_database_errors:
                under_way.result()

    @staticmethod
    def _insert(raw: Any, tables: Sequence[Table]) -> None:
        with raw.cursor() as cursor:
            _write(cursor, tables)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _insert_text(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    one = f"({', '.join(['%s'] * len(columns))})"
    return f"INSERT INTO {table} ({_names(columns)}) VALUES {', '.join([one] * len(rows))}"  # noqa: S608


@lru_cache(maxsize=32)
def _single(table: str, columns: tuple[str, ...]) -> Prepared:
    """One row, which is what a single message is."""
    return Prepared(f"insert_{table}", lambda: _insert_text(table, columns, [()]))


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
