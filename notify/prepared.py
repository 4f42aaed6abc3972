"""Statements that PostgreSQL parses and plans once a connection, and not each time: what every request and every claim
asks. A claim takes longer to plan than to run.

Where that does not work, the same text is sent whole. Behind a pooler that gives each transaction another connection
(PgBouncer's "transaction" mode) a statement is not where it was prepared. So a process that finds a pooler in between
prepares nothing; it tells by who serves it, which is not whom the pooler named. Should one go unnoticed, it stops the
first time that a statement is missing, or is there though nobody here prepared it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg2
from django.db import DatabaseError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

logger = logging.getLogger(__name__)

_PLACE: Final = re.compile(r"%(?:\((\w+)\))?s|%%")
#: invalid_sql_statement_name: nobody prepared it on this connection, whatever we remember.
_MISSING: Final = "26000"
#: duplicate_prepared_statement: somebody else has prepared it on this connection.
_TAKEN: Final = "42P05"
#: "cached plan must not change result type": a migration gave a column another type.
_OUTDATED: Final = "0A000"

Parameters = Sequence[Any] | Mapping[str, Any]


class Prepared:
    """A statement with ``%s`` or ``%(name)s`` for its parameters. ``text`` is called when it is first needed. ``types``
    are those of the parameters, by name or number, where PostgreSQL can't tell them from the text."""

    def __init__(self, name: str, text: Callable[[], str], types: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._text = text
        self._types = types or {}

    @cached_property
    def text(self) -> str:
        """The statement as it is sent whole."""
        return self._text()

    @cached_property
    def name(self) -> str:
        """Its name in PostgreSQL: another text has another."""
        return f"goutong_{self._name}_{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"

    @cached_property
    def _places(self) -> list[str]:
        """The parameters in their order, each once: their names, or their numbers where they have none."""
        found = [match for match in _PLACE.finditer(self.text) if match[0] != "%%"]
        return list(dict.fromkeys(match[1] or str(number) for number, match in enumerate(found)))

    @cached_property
    def definition(self) -> str:
        """What prepares it."""
        places = {name: number for number, name in enumerate(self._places, 1)}
        unnamed = iter(places.values())

        def numbered(match: re.Match[str]) -> str:
            if match[0] == "%%":
                return "%"
            return f"${places[match[1]] if match[1] else next(unnamed)}"

        types = ", ".join(self._types[name] for name in self._places) if self._types else ""
        return f"PREPARE {self.name}{f' ({types})' if types else ''} AS {_PLACE.sub(numbered, self.text)}"

    @cached_property
    def call(self) -> str:
        """What runs it."""
        places = ", ".join(["%s"] * len(self._places))
        return f"EXECUTE {self.name} ({places})" if places else f"EXECUTE {self.name}"

    def values(self, parameters: Parameters) -> Sequence[Any]:
        """``parameters`` in the order of ``call``."""
        return [parameters[name] for name in self._places] if isinstance(parameters, Mapping) else parameters


class _Mode:
    usable = True


#: What has been prepared, by connection.
_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def run(cursor: Any, *calls: tuple[Prepared, Parameters], under: str = "") -> None:
    """Runs statements in one round trip, those that this connection has not seen being prepared before; the rows are
    the last one's. ``under``: a statement sent ahead of them, for settings they are to be planned under."""
    if not _Mode.usable or not _is_direct(cursor):
        _run_whole(cursor, calls, under)
        return
    try:
        _prepare(cursor, calls)
        _execute(cursor, calls, under)
    except (DatabaseError, psycopg2.Error) as error:
        if not _may_send_whole(error, cursor.connection):
            raise
        _run_whole(cursor, calls, under)


def _is_direct(cursor: Any) -> bool:
    """Whether PostgreSQL itself is at the other end; asked once a connection, which then has nothing prepared."""
    raw = cursor.connection
    if raw in _known:
        return True
    cursor.execute("DEALLOCATE ALL; SELECT pg_backend_pid()")
    (pid,) = cursor.fetchone()
    if pid == raw.get_backend_pid():
        _known[raw] = set()
    else:
        logger.warning("a pooler is between this process and PostgreSQL: statements are sent whole")
        _Mode.usable = False
    return _Mode.usable


def _prepare(cursor: Any, calls: Sequence[tuple[Prepared, Parameters]]) -> None:
    known = _known[cursor.connection]
    for statement, _parameters in calls:
        if statement.name not in known:
            cursor.execute(statement.definition)
            known.add(statement.name)


def _execute(cursor: Any, calls: Sequence[tuple[Prepared, Parameters]], under: str) -> None:
    parts = [under] if under else []
    values: list[Any] = []
    for statement, parameters in calls:
        parts.append(statement.call)
        values += statement.values(parameters)
    cursor.execute(";".join(parts), values)


def _may_send_whole(error: BaseException, raw: Any) -> bool:
    """Whether what was prepared is of no use any more, and no transaction is broken by that: then it can be sent whole.
    In a broken one it is the next request that goes well."""
    state = getattr(error.__cause__ or error, "pgcode", None)
    if state in (_MISSING, _TAKEN):
        logger.warning("prepared statements come and go: connections are shared, and statements sent whole from now on")
        _Mode.usable = False
    elif state == _OUTDATED:
        _known.pop(raw, None)
    return state in (_MISSING, _TAKEN, _OUTDATED) and bool(raw.get_transaction_status() == TRANSACTION_STATUS_IDLE)


def _run_whole(cursor: Any, calls: Sequence[tuple[Prepared, Parameters]], under: str) -> None:
    if len(calls) == 1 and not under:
        cursor.execute(calls[0][0].text, calls[0][1])
        return
    mogrify = cursor.cursor.mogrify if hasattr(cursor, "cursor") else cursor.mogrify
    texts = [mogrify(statement.text, parameters).decode() for statement, parameters in calls]
    # No parameters are left in it: a percent sign is one.
    cursor.execute(";".join([under, *texts] if under else texts))
