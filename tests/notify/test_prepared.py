"""Statements that are prepared once a connection, and what happens where that does not work."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from notify import prepared
from notify.prepared import Prepared

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _prepares(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that prepares, whatever it has learned from others' connections; and a connection that nobody used."""
    monkeypatch.setattr(prepared._Mode, "usable", True)
    connection.close()
    yield
    connection.close()


@pytest.fixture
def half() -> Prepared:
    return Prepared("half", lambda: "SELECT %(of)s / 2, '100%%', %(of)s", {"of": "integer"})


def ask(statement: Prepared, of: int, *, of_connection: Any = connection) -> tuple[object, ...]:
    with of_connection.cursor() as cursor:
        prepared.run(cursor, (statement, {"of": of}))
        row: tuple[object, ...] = cursor.fetchone()
        return row


def known() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        return {name for (name,) in cursor.fetchall()}


#: What the server tells a client once: the process that serves it, and a key to cancel with.
_KEY_DATA = re.compile(rb"K\0\0\0\x0c(.{4})", re.DOTALL)


def _hand_on(source: socket.socket, target: socket.socket, *, disguise: bool = False) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            if disguise:
                said = _KEY_DATA.sub(lambda key: key[0][:5] + bytes(byte ^ 0x55 for byte in key[1]), said, count=1)
            target.sendall(said)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _open_server(host: str, port: str) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host or "127.0.0.1", int(port or 5432)))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port or 5432}")
    return server


def _serve_one(door: socket.socket, host: str, port: str) -> None:
    client, _address = door.accept()
    with client, _open_server(host, port) as server, ThreadPoolExecutor(1) as back:
        back.submit(_hand_on, server, client, disguise=True)
        _hand_on(client, server)


@contextmanager
def through_a_pooler() -> Iterator[Any]:
    """A connection that a pooler hands on: which of its connections serves a client is not told, as it may change."""
    settings = connection.settings_dict
    pooled = connection.copy()
    with socket.create_server(("127.0.0.1", 0)) as door, ThreadPoolExecutor(1) as pool:
        door.settimeout(10)
        pool.submit(_serve_one, door, settings["HOST"], settings["PORT"])
        pooled.settings_dict = {**settings, "HOST": "127.0.0.1", "PORT": door.getsockname()[1]}
        try:
            yield pooled
        finally:
            pooled.close()


@pytest.mark.usefixtures("_prepares")
class TestPrepared:
    def test_a_statement_is_prepared_once_and_asked_with_other_values(self, half: Prepared) -> None:
        assert [ask(half, 4), ask(half, 6)] == [(2, "100%", 4), (3, "100%", 6)]
        assert known() == {half.name}

    def test_several_go_in_one_round_trip_and_the_last_ones_rows_come_back(self, half: Prepared) -> None:
        first = Prepared("first", lambda: "SELECT set_config('goutong.test', %s, true)", {"0": "text"})
        second = Prepared("second", lambda: "SELECT current_setting('goutong.test')")

        with connection.cursor() as cursor:
            prepared.run(cursor, (half, {"of": 2}), (first, ["one and the same transaction"]), (second, []))
            assert cursor.fetchone() == ("one and the same transaction",)

    def test_a_new_connection_prepares_anew(self, half: Prepared) -> None:
        ask(half, 4)
        connection.close()

        assert ask(half, 4) == (2, "100%", 4)
        assert known() == {half.name}

    def test_statements_that_a_pooler_left_on_the_connection_are_in_nobodys_way(self, half: Prepared) -> None:
        with connection.cursor() as cursor:
            cursor.execute(half.definition)

        assert ask(half, 4) == (2, "100%", 4)

    def test_where_connections_are_shared_it_is_sent_whole_from_then_on(self, half: Prepared) -> None:
        ask(half, 4)
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")  # as good as another connection

        assert [ask(half, 4), ask(half, 6)] == [(2, "100%", 4), (3, "100%", 6)]
        assert known() == set()

    def test_what_another_client_prepared_on_a_shared_connection_is_sent_whole_too(self, half: Prepared) -> None:
        ask(half, 4)
        other = Prepared("other", lambda: "SELECT %(of)s + 1", {"of": "integer"})
        with connection.cursor() as cursor:
            cursor.execute(other.definition)

        assert ask(other, 4) == (5,)

    def test_behind_a_pooler_no_transaction_is_broken_by_what_is_not_there(self, half: Prepared) -> None:
        with through_a_pooler() as pooled:
            assert ask(half, 4, of_connection=pooled) == (2, "100%", 4)
            with pooled.cursor() as cursor:
                cursor.execute("DEALLOCATE ALL")  # as good as another connection
                cursor.execute("BEGIN")
            assert ask(half, 6, of_connection=pooled) == (3, "100%", 6)
            with pooled.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_prepared_statements")
                assert cursor.fetchone() == (0,)

    def test_in_a_transaction_that_is_broken_by_it_the_next_one_goes_well(self, half: Prepared) -> None:
        ask(half, 4)
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")

        with pytest.raises(OperationalError), transaction.atomic():
            ask(half, 4)

        with transaction.atomic():
            assert ask(half, 4) == (2, "100%", 4)

    def test_a_column_that_got_another_type_costs_nothing(self) -> None:
        everything = Prepared("everything", lambda: "SELECT * FROM pliable")
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE pliable AS SELECT 1::integer AS n")
            try:
                prepared.run(cursor, (everything, []))
                cursor.execute("ALTER TABLE pliable ALTER n TYPE text")
                prepared.run(cursor, (everything, []))
                assert cursor.fetchone() == ("1",)
                prepared.run(cursor, (everything, []))
                assert cursor.fetchone() == ("1",)
            finally:
                cursor.execute("DROP TABLE pliable")

    def test_a_statement_that_fails_raises_as_it_would_whole(self) -> None:
        wrong = Prepared("wrong", lambda: "SELECT 1 / %s", {"0": "integer"})

        with connection.cursor() as cursor, pytest.raises(Exception, match="division by zero"):
            prepared.run(cursor, (wrong, [0]))
        with connection.cursor() as cursor:
            prepared.run(cursor, (wrong, [1]))
            assert cursor.fetchone() == (1,)


def test_sent_whole_several_still_go_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared._Mode, "usable", False)
    first = Prepared("first", lambda: "SELECT set_config('goutong.test', %s, true)", {"0": "text"})
    second = Prepared("second", lambda: "SELECT current_setting('goutong.test'), '100%%'")

    with connection.cursor() as cursor:
        prepared.run(cursor, (first, ["50%"]), (second, []), under="SELECT 1")
        assert cursor.fetchone() == ("50%", "100%")
