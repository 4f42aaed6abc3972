"""What all tests may use. Nothing of the product is replaced here: engines and processes are real."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import pytest
from pytest_django import DjangoDbBlocker

pytest_plugins = ["tests.stack.live"]
T = TypeVar("T")


def pytest_collection_finish() -> None:
    """What is loaded by now stays; the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()


class WaitFor(Protocol):
    """Waits until ``condition`` gives something true, and returns that; fails the test after ``timeout`` seconds."""

    def __call__(self, condition: Callable[[], T], *, timeout: float = 10.0, message: str = "") -> T: ...


@pytest.fixture(scope="session")
def wait_for() -> WaitFor:
    """A condition with a limit, instead of a sleep."""

    def wait(condition: Callable[[], T], *, timeout: float = 10.0, message: str = "") -> T:
        deadline = time.monotonic() + timeout
        while True:
            began = time.monotonic()
            if result := condition():
                return result
            looked = time.monotonic()
            if looked > deadline:
                pytest.fail(f"not within {timeout} s: {message or condition}")
            # Looking takes its share of the processors from those that are waited for: at most half of one.
            time.sleep(max(0.02, looked - began))

    return wait


@pytest.fixture
def clean_redis() -> Iterator[None]:
    """An empty Redis database before and after: counters, doorbells and caches of other tests are not in it, nor are
    figures of providers that this process remembers from them."""
    import redis
    from django.conf import settings
    from django.utils import timezone

    from channels import quality

    def clean() -> None:
        quality.publish(now=timezone.now())  # or its thread would, a moment after all was wiped
        client.flushdb()
        quality._forget_parent()

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        clean()
        yield
        clean()


@pytest.fixture(scope="session", autouse=True)
def _celery_reads_its_settings() -> None:
    """Celery reads them when it first needs them; that must not be while some test has replaced one."""
    from config import celery_app

    assert celery_app.conf.broker_url


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """pytest-django's, and at the end nobody is left in the database: threads of providers keep their connections."""
    from django.db import connection

    from tests.emptying import empty_only_what_is_full

    with pytest.MonkeyPatch.context() as monkeypatch:
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            # Tests with transactions of their own end by emptying every table, which the audit refuses.
            cursor.execute("ALTER TABLE admin_portal_auditentry DISABLE TRIGGER audit_keeps_all")
            cursor.execute("TRUNCATE admin_portal_auditentry")  # what migrating gave to the roles
            empty_only_what_is_full(monkeypatch)
        yield

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
