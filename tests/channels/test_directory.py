"""The directory: what is configured, without ever standing in line behind a database that does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from channels import directory, specs
from channels.models import Provider
from channels.specs import ChannelSpec
from tests.conftest import WaitFor


@pytest.fixture(autouse=True)
def _fresh_directory(settings: Any) -> Iterator[None]:
    settings.CHANNELS = {**settings.CHANNELS, "CONFIG_MAX_AGE_S": 60.0}
    directory.forget()
    yield
    directory.forget()


def provider(channel: str = "sms", adapter: str = "sandbox", **fields: Any) -> Provider:
    return Provider.objects.create(name=f"p-{uuid4().hex[:8]}", channel=channel, adapter=adapter, **fields)


class Reader(threading.Thread):
    """Looks a channel up in a thread of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: ChannelSpec | None = None
        self.start()

    def run(self) -> None:
        try:
            self.found = directory.channel("sms")
        finally:
            connection.close()


@contextmanager
def locked(table: str) -> Iterator[Callable[[], bool]]:
    """Nobody can read ``table`` meanwhile. Gives a function that says whether somebody is waiting to."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            held.set()
            done.wait(30)
            cursor.execute("ROLLBACK")
        connection.close()

    def is_waited_for() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
            return cursor.fetchone() is not None

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(10)
    try:
        yield is_waited_for
    finally:
        done.set()
        holder.join()


@pytest.mark.django_db(transaction=True)
def test_while_one_thread_waits_for_the_database_others_go_by_the_last_snapshot(wait_for: WaitFor) -> None:
    provider()
    known = directory.channel("sms")
    directory.forget()
    with locked("channels_provider") as is_waited_for:
        first = Reader()
        wait_for(is_waited_for)
        second = Reader()
        second.join(30)
        assert first.is_alive()
        assert second.found == known
    first.join(30)
    assert first.found == known


@pytest.mark.django_db(transaction=True)
def test_what_is_forgotten_while_it_is_being_read_is_read_again(wait_for: WaitFor) -> None:
    row = provider(weight=1)
    directory.channel("sms")
    directory.forget()
    with locked("channels_channel") as is_waited_for:
        reader = Reader()
        wait_for(is_waited_for)  # it has read the providers, and not yet the channels
        row.weight = 2
        row.save()
        directory.forget()
    reader.join(30)
    assert [spec.weight for spec in directory.channel("sms").providers] == [2]


@pytest.mark.django_db
def test_a_provider_has_the_version_of_its_row() -> None:
    row = provider()
    (spec,) = directory.channel("sms").providers
    assert spec.version == row.updated_at


@pytest.mark.parametrize("name", [specs.TEST_PROVIDER, specs.CALLBACK_PROVIDER])
def test_what_needs_no_configuration_has_no_version(name: str) -> None:
    assert specs.built_in(name).version is None


@pytest.mark.django_db
@pytest.mark.parametrize(("adapter", "places"), [("inapp", 4), ("sandbox", 64)])
def test_an_adapter_whose_places_cost_us_dearly_has_a_ceiling(adapter: str, places: int) -> None:
    provider(channel="inapp", adapter=adapter, max_concurrency=64)
    (spec,) = directory.channel("inapp").providers
    assert spec.max_concurrency == places
