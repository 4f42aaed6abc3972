"""Which errors are outages, and how many reports of one kind leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError as BrokerError

from monitoring.allowance import Allowance
from monitoring.sentry import find_outage


def test_so_many_of_a_kind_may_leave_in_a_window() -> None:
    allowance = Allowance(per_s=60)

    left = [allowance.allow("a", limit=3, now=float(second)) for second in range(10)]

    assert left == [True] * 3 + [False] * 7
    assert allowance.allow("b", limit=3, now=10.0)
    assert allowance.allow("a", limit=3, now=60.0)


def test_kinds_without_end_are_forgotten() -> None:
    allowance = Allowance(per_s=60)
    for number in range(5000):
        allowance.allow(number, limit=1, now=0.0)

    assert len(allowance._windows) == 1000
    assert not allowance.allow(4999, limit=1, now=1.0)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (redis.ConnectionError("refused"), "redis"),
        (redis.TimeoutError("slow"), "redis"),
        (redis.ResponseError("WRONGTYPE"), None),
        (BrokerError("refused"), "broker"),
        (ValueError("ours"), None),
    ],
)
def test_an_error_tells_which_server_is_away(error: Exception, outage: str | None) -> None:
    assert find_outage(error) == outage


def test_the_cause_of_an_error_tells_too() -> None:
    error = RuntimeError("could not ring")
    error.__cause__ = redis.ConnectionError("refused")

    assert find_outage(error) == "redis"


def _raise(statement: str) -> Exception:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        return error
    raise AssertionError("it did not fail")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fail", "outage"),
    [
        (lambda: _raise("SELECT pg_terminate_backend(pg_backend_pid())"), "database"),
        (lambda: _raise("SET statement_timeout = 1; SELECT pg_sleep(1)"), None),
        (lambda: _raise("SELECT 1/0"), None),
    ],
)
def test_only_a_lost_database_is_an_outage_of_it(fail: Callable[[], Exception], outage: str | None) -> None:
    try:
        assert find_outage(fail()) == outage
    finally:
        connection.close()
