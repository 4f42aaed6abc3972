"""How fast a provider may be asked: its rate limit, shared by all processes through Redis, by each for itself when
Redis is away (better a little too fast than not at all)."""

from __future__ import annotations

import time
from functools import cache
from typing import Final

import redis
from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage

from channels.cutout import CutOut

_UNITS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_FAILURES: Final = (redis.RedisError, StorageError, OSError)


@cache
def parse_rate(rate: str) -> RateLimitItem:
    """``200/s`` as the limits library knows it. Raises ValueError for anything else."""
    count, _, unit = rate.partition("/")
    return parse(f"{int(count)}/{_UNITS[unit]}")


class Limiter:
    """Grants permits against the rate limits of providers."""

    def __init__(self) -> None:
        self._shared = RedisStorage(
            settings.REDIS_URL.replace("unix://", "redis+unix://"),
            socket_timeout=settings.REDIS_TIMEOUT_S,
            socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        )
        self._own = MemoryStorage()
        self._redis = CutOut(name="redis (provider rates)", pause_s=settings.REDIS_PAUSE_S, failures=_FAILURES)

    def take(self, *, provider: str, rate: str, wanted: int) -> tuple[int, float]:
        """Up to ``wanted`` permits for ``provider``, and, when those are fewer, in how many seconds there will be more.
        An empty ``rate`` is no limit."""
        if not rate:
            return wanted, 0.0
        item = parse_rate(rate)
        granted = self._redis.call(lambda: _take(self._shared, item, provider, wanted), otherwise=None)
        return granted if granted is not None else _take(self._own, item, provider, wanted)


def _take(storage: Storage, item: RateLimitItem, provider: str, wanted: int) -> tuple[int, float]:
    # Fixed windows, counted by the storage itself: the strategies of the library answer only yes or no, and a batch
    # wants to know how much of it may go now.
    key = item.key_for("provider", provider)
    count = storage.incr(key, item.get_expiry(), amount=wanted)
    granted = min(max(item.amount - (count - wanted), 0), wanted)
    return granted, 0.0 if granted == wanted else max(storage.get_expiry(key) - time.time(), 0.01)
