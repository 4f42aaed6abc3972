"""The ledgers of all processes in Redis: a hash a slot and a hash a minute, a field a provider and process.

One pipeline writes what is new, one reads whatever is asked for; none is needed for sending. A server that has
forgotten, or is another than before, shows by its ``memory`` key, and then every process writes its own down again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, cast
from uuid import uuid4

import redis
from django.conf import settings
from redis.client import Pipeline

from channels import shared_redis
from channels.cutout import CutOut
from channels.quality.ledger import MINUTES_KEPT_S, SLOTS_KEPT_S, Ledger, Page
from channels.quality.reading import Reading, Span, places_of_all
from channels.quality.tally import Pulse, Tally, decode

_FAILURES: Final = (redis.RedisError, OSError)
_SLOT: Final = "goutong:quality:slot:{}"
_MINUTE: Final = "goutong:quality:minute:{}"
_MEMORY: Final = "goutong:quality:memory"
#: Minutes with something in them that is not in the table yet, by when it came.
_TOUCHED: Final = "goutong:quality:touched"
#: What came so lately may have been read around: it is looked at once more.
_SETTLING_S: Final = 5.0
_decode = lru_cache(maxsize=16_384)(decode)

Tallies = dict[int, dict[str, Tally]]


class Store:
    """One process's way to the others' ledgers. ``clock`` is what the callers' ``now`` comes from."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._client = shared_redis.open_client(url=settings.REDIS_URL)
        self._redis = CutOut(name="redis (quality)", pause_s=settings.REDIS_PAUSE_S, failures=_FAILURES)
        self._clock = clock
        self._memory: str | None = None

    # --- writing ------------------------------------------------------------------------------------------------------

    def publish(self, ledger: Ledger, *, now: float) -> bool:
        """Writes down what is new in ``ledger``; what can't be written now comes with the next time."""
        if ledger.offset is None and not self._redis.call(lambda: self._set_clock(ledger), otherwise=False):
            return False
        page = ledger.turn(now=now)
        if not page.slots and not page.minutes:
            return True
        told = self._redis.call(lambda: self._write(page, ledger, now), otherwise=None)
        if told is None:
            ledger.give_back(page)
            return False
        known, self._memory = self._memory, told
        if known is None or known == told:
            return True
        ledger.give_all_back()
        return self.publish(ledger, now=now)

    def _set_clock(self, ledger: Ledger) -> bool:
        began = self._clock()
        seconds, micros = self._client.time()
        ledger.offset = seconds + micros / 1e6 - (began + self._clock()) / 2
        return True

    def _write(self, page: Page, ledger: Ledger, now: float) -> str:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(_MEMORY, uuid4().hex, nx=True)
        pipeline.get(_MEMORY)
        pipeline.time()
        began = self._clock()
        _write_hashes(pipeline, _SLOT, page.slots, ledger.process, 2 * SLOTS_KEPT_S)
        _write_hashes(pipeline, _MINUTE, page.minutes, ledger.process, MINUTES_KEPT_S)
        if page.minutes:
            pipeline.zadd(_TOUCHED, dict.fromkeys(map(str, page.minutes), ledger.server_time(now)))
        _set, memory, (seconds, micros), *_rest = pipeline.execute()
        ledger.offset = seconds + micros / 1e6 - (began + self._clock()) / 2
        return bytes(memory or b"").decode()

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, ledger: Ledger, spans: Iterable[Span], *, now: float) -> Reading:
        """All that ``spans`` need to know, of all processes; with Redis away, of this one."""
        if ledger.offset is None:
            self._redis.call(lambda: self._set_clock(ledger), otherwise=False)
        slots, minutes = places_of_all(spans, now=ledger.server_time(now))
        raw = self._redis.call(lambda: self._fetch(slots, minutes), otherwise=None)
        if raw is None:
            return read_own(ledger, spans, now=now)
        of_slots, pulses = _sum(zip(slots, raw, strict=False))
        of_minutes, _none = _sum(zip(minutes, raw[len(slots) :], strict=True))
        return Reading(now=ledger.server_time(now), slots=of_slots, minutes=of_minutes, pulses=pulses)

    def _fetch(self, slots: Sequence[int], minutes: Sequence[int]) -> list[dict[bytes, bytes]]:
        pipeline = self._client.pipeline(transaction=False)
        for slot in slots:
            pipeline.hgetall(_SLOT.format(slot))
        for minute in minutes:
            pipeline.hgetall(_MINUTE.format(minute))
        fetched: list[dict[bytes, bytes]] = pipeline.execute()
        return fetched

    # --- minutes that changed -----------------------------------------------------------------------------------------

    def changed_minutes(self) -> Tallies:
        """The minutes in which there is something new, with all that is in them; none with Redis away."""

        def fetch() -> Tallies:
            members = cast(list[bytes], self._client.zrange(_TOUCHED, 0, -1))
            touched = sorted(int(minute) for minute in members)
            return _sum(zip(touched, self._fetch([], touched), strict=True))[0]

        return self._redis.call(fetch, otherwise={})

    def settle_minutes(self, *, server_now: float) -> None:
        """Says that what had come when they were read is in the table."""

        def forget() -> int:
            return int(self._client.zremrangebyscore(_TOUCHED, "-inf", server_now - _SETTLING_S))

        self._redis.call(forget, otherwise=0)


def read_own(ledger: Ledger, spans: Iterable[Span], *, now: float) -> Reading:
    """What this process knows by itself: no Redis is asked."""
    slots, minutes = places_of_all(spans, now=ledger.server_time(now))
    of_slots, of_minutes, pulses = ledger.view(slots=slots, minutes=minutes)
    return Reading(now=ledger.server_time(now), slots=of_slots, minutes=of_minutes, pulses=pulses, shared=False)


def _write_hashes(pipeline: Pipeline, key: str, pages: Any, process: str, kept_s: int) -> None:
    for place, tallies in pages.items():
        name = key.format(place)
        pipeline.hset(name, mapping={f"{provider}/{process}": encoded for provider, encoded in tallies.items()})
        pipeline.expire(name, kept_s)


def _sum(hashes: Iterable[tuple[int, dict[bytes, bytes]]]) -> tuple[Tallies, dict[str, list[Pulse]]]:
    """The tallies of all processes added up, by place and provider, and the last word of each process."""
    sums: Tallies = {}
    last: dict[str, dict[bytes, Pulse]] = defaultdict(dict)
    for place, fields in hashes:
        tallies = sums[place] = {}
        for name, encoded in fields.items():
            provider = name.decode().partition("/")[0]
            try:
                tally, pulse = _decode(encoded)
            except ValueError:
                continue
            if provider not in tallies:
                tallies[provider] = Tally()
            tallies[provider].merge(tally)
            if pulse is not None:
                last[provider][name] = pulse
    return sums, {provider: list(pulses.values()) for provider, pulses in last.items()}
