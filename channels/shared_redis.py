"""The Redis that all processes share, for what can be done without when it is away."""

from __future__ import annotations

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def open_client(*, url: str) -> Redis:
    """A client of the Redis at ``url`` that gives up after ``REDIS_TIMEOUT_S`` and does not try again: whoever asks
    goes on without an answer, and a ``CutOut`` keeps the next from asking."""
    return Redis.from_url(
        url,
        socket_timeout=settings.REDIS_TIMEOUT_S,
        socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
