"""What is promised whatever happens to a channel's providers, on real PostgreSQL and Valkey."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from channels import engine, gateway
from channels.errors import Unavailable
from channels.models import Provider
from channels.types import SendResult
from tests.channels.test_engine import tell
from tests.channels.wire import message

pytestmark = [pytest.mark.usefixtures("fresh_directory", "clean_redis")]


def make(count: int, **config: Any) -> list[str]:
    names = [f"p{number}-{uuid4().hex[:8]}" for number in range(count)]
    for name in names:
        Provider.objects.create(name=name, channel="sms", adapter="sandbox", weight=50, config=config)
    return names


def send(count: int = 40) -> list[SendResult]:
    batch = [message(priority="critical") for _ in range(count)]
    return list(gateway.send_batch(batch, channel="sms", priority="critical"))


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_with_zero_one_two_or_five_providers_messages_go_to_those_that_are_well(count: int) -> None:
    names = make(count)
    for name in names[:1]:
        tell(name, *[Unavailable] * 60)
    for name in names[1:]:
        tell(name, *[None] * 60)
    engine.evaluate(now=timezone.now())
    results = send(120)
    assert {result.provider for result in results} == (set(names[1:]) or {""})
    assert all(result.error is None or not result.error.uses_attempt for result in results)


def _remove(name: str) -> None:
    Provider.objects.filter(name=name).delete()


def _disable(name: str) -> None:
    Provider.objects.filter(name=name).update(enabled=False, updated_at=timezone.now())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("withdraw", [_remove, _disable])
def test_a_provider_removed_or_disabled_under_load_loses_nothing_and_gets_nothing_more(
    withdraw: Callable[[str], None], wait_for: Any
) -> None:
    gone, stays = make(2, latency_ms=5)
    found = _under_load(lambda: withdraw(gone), until=lambda tail: set(tail) == {stays}, wait_for=wait_for)
    assert found[""] == 0
    assert found[gone] > 0


@pytest.mark.django_db(transaction=True)
def test_a_provider_added_under_load_gets_its_share_and_nothing_is_lost(wait_for: Any) -> None:
    (first,) = make(1, latency_ms=5)
    added: list[str] = []
    found = _under_load(
        lambda: added.extend(make(1, latency_ms=5)),
        until=lambda tail: bool(added) and tail[added[0]] > 5,
        wait_for=wait_for,
    )
    assert found[""] == 0
    assert found[first] > 0


def _under_load(change: Callable[[], None], *, until: Callable[[Counter[str]], bool], wait_for: Any) -> Counter[str]:
    """Sends batch after batch; makes a change in the middle, and ends when the last batch is as it should be. Who
    carried how many; an empty name stands for what nobody took."""
    found: Counter[str] = Counter()
    last: list[Counter[str]] = [Counter()]
    over = threading.Event()

    def run() -> None:
        try:
            while not over.is_set():
                last[0] = Counter(one.provider if one.receipt is not None else "" for one in send())
                found.update(last[0])
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: sum(found.values()) >= 80, timeout=20)
        change()
        wait_for(lambda: until(last[0]), timeout=20)
    finally:
        over.set()
        thread.join(30)
    return found
