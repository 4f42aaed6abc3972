"""The doorbell: rings once for many, and costs the caller nothing when nobody is there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import redis
from celery import current_app
from django.conf import settings
from kombu import Connection

from notify.doorbell import Doorbell
from tests.conftest import WaitFor

pytestmark = pytest.mark.usefixtures("clean_redis")
LANE = "voice.bulk"


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as found:
        yield found


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_a_ring_is_a_task_in_the_lane_s_queue(client: redis.Redis, wait_for: WaitFor) -> None:
    Doorbell().ring([LANE])
    wait_for(lambda: client.llen(LANE) == 1)
    with Connection(current_app.conf.broker_url) as connection:
        message = connection.SimpleQueue(current_app.amqp.queues[LANE]).get(timeout=2)
        message.ack()
    assert message.headers["task"] == "notify.drain"
    assert message.headers["argsrepr"] == f"('{LANE}',)"


def test_a_thousand_rings_that_nobody_has_answered_are_one_task(client: redis.Redis, wait_for: WaitFor) -> None:
    bell = Doorbell()
    for _ in range(1000):
        bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) >= 1)
    bell.ring(["voice.normal"])
    wait_for(lambda: client.llen("voice.normal") == 1)
    assert client.llen(LANE) == 1


def test_once_answered_the_bell_can_be_rung_again(client: redis.Redis, wait_for: WaitFor) -> None:
    bell = Doorbell()
    bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) == 1)
    bell.answer(LANE)
    bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) == 2)


def test_a_bell_whose_task_was_lost_can_be_rung_again_soon(client: redis.Redis, wait_for: WaitFor) -> None:
    bell = Doorbell()
    bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) == 1)
    client.delete(LANE)

    def rings_again() -> bool:
        bell.ring([LANE])
        return bool(client.llen(LANE))

    wait_for(rings_again, timeout=5)


def test_after_a_flush_the_next_ring_gets_through(client: redis.Redis, wait_for: WaitFor) -> None:
    bell = Doorbell()
    bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) == 1)
    client.flushdb()
    bell.ring([LANE])
    wait_for(lambda: client.llen(LANE) == 1)


def test_ringing_does_not_wait_for_a_broker_that_does_not_answer(
    deaf_port: int, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"redis://127.0.0.1:{deaf_port}/0"
    settings.REDIS_URL = url  # type: ignore[attr-defined]
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    bell = Doorbell()
    began = time.monotonic()
    for _ in range(200):
        bell.ring([LANE])
    # 200 rings that waited for a time-out of 0.2 s each would take 40 s.
    assert time.monotonic() - began < 2


def test_ringing_goes_on_by_itself_when_the_broker_is_back(
    client: redis.Redis, settings: object, monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor
) -> None:
    settings.REDIS_PAUSE_S = 0.05  # type: ignore[attr-defined]
    good = current_app.conf.broker_url
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    bell = Doorbell()
    bell.ring([LANE])
    wait_for(lambda: bell._broker.is_open)
    monkeypatch.setattr(current_app.conf, "broker_url", good)

    def rings() -> bool:
        bell.answer(LANE)
        bell.ring([LANE])
        return bool(client.llen(LANE))

    wait_for(rings, timeout=5)
