"""How much an application may send: a rate and a daily quota, in recipients, counted in Redis in one round trip.

Both are checked before either is charged, so that a request that is refused uses up nothing; that, and one trip for
both, is why this is a script of our own and not two hits of the ``limits`` library. Without Redis there are no limits:
a counter is not worth a message.

The rate is a bucket that fills steadily (GCRA): ``500/s`` takes up to 500 at once and 500 a second in the long run.
A batch that is larger than the whole bucket could never pass; it passes when the bucket is full, and the application
then waits until the bucket has made up for it. So any batch can be sent, and the rate still holds over time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from django.conf import settings
from redis import RedisError
from redis.commands.core import Script

from channels import shared_redis
from channels.cutout import CutOut
from notify.errors import NotifyError, QuotaExceeded, RateLimited
from notify.models import Application

_PERIODS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAY_S: Final = 86_400

# KEYS: bucket, day. ARGV: cost, now, period and limit of the rate (limit 0: none), quota of the day (-1: none).
# The bucket is the moment at which it will be full again. Answers: "", "rate" or "day"; that moment; used today.
_CHARGE: Final = """
local cost, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local period, limit, quota = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local full_at, used = now, 0
if limit > 0 then
  full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
end
if quota >= 0 then
  used = tonumber(redis.call('GET', KEYS[2]) or 0)
end
if quota >= 0 and used + cost > quota then
  return {'day', tostring(full_at), tostring(used)}
end
if limit > 0 then
  local charged = full_at + cost * period / limit
  if charged - now > period * 1.000001 and full_at > now then
    return {'rate', string.format('%.6f', full_at), tostring(used)}
  end
  full_at = charged
  redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + 1000)
end
if quota >= 0 then
  used = used + cost
  redis.call('SET', KEYS[2], string.format('%.0f', used), 'EX', 90000)
end
return {'', string.format('%.6f', full_at), tostring(used)}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit as it stands: ``remaining`` of ``quota`` recipients in ``window_s`` seconds; whole again in
    ``reset_s``."""

    name: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int


@dataclass(frozen=True, slots=True)
class LimitState:
    """The limits of an application after a charge. None at all when it has none, or when nobody could count."""

    limits: tuple[Limit, ...] = ()

    @property
    def headers(self) -> Mapping[str, str]:
        """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers)."""
        if not self.limits:
            return {}
        return {
            "RateLimit-Policy": ", ".join(
                f'"{limit.name}";q={limit.quota};w={limit.window_s}' for limit in self.limits
            ),
            "RateLimit": ", ".join(f'"{limit.name}";r={limit.remaining};t={limit.reset_s}' for limit in self.limits),
        }


class OverRate(RateLimited):
    """The application sends faster than its rate limit."""

    def __init__(self, detail: str, *, retry_after: float, state: LimitState) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.headers = state.headers


class OverQuota(QuotaExceeded):
    """The application's quota for today is used up."""

    def __init__(self, detail: str, *, retry_after: float, state: LimitState) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.headers = state.headers


@lru_cache(maxsize=4)
def _script(url: str) -> Script:
    return shared_redis.open_client(url=url).register_script(_CHARGE)


_cutout: Final = CutOut(name="Redis (quota)", pause_s=settings.REDIS_PAUSE_S, failures=(RedisError, OSError))


def parse_rate(rate: str) -> tuple[int, int]:
    """``500/s`` as (500, 1): so many in so many seconds. An empty rate is (0, 1): no limit."""
    number, _, unit = rate.partition("/")
    return (int(number), _PERIODS[unit]) if number else (0, 1)


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), tzinfo=UTC)


def _state(*, application: Application, now: datetime, full_at: float, used: int) -> LimitState:
    limits: list[Limit] = []
    limit, period = parse_rate(application.rate_limit)
    if limit:
        wait = max(0.0, full_at - now.timestamp())
        remaining = max(0, math.floor((period - wait) * limit / period + 1e-6))
        limits.append(Limit(name="default", quota=limit, window_s=period, remaining=remaining, reset_s=math.ceil(wait)))
    if application.daily_quota is not None:
        reset_s = math.ceil((_midnight(now) - now).total_seconds())
        left = max(0, application.daily_quota - used)
        limits.append(
            Limit(name="daily", quota=application.daily_quota, window_s=_DAY_S, remaining=left, reset_s=reset_s)
        )
    return LimitState(tuple(limits))


def _ask(*, application: Application, cost: int, now: datetime) -> tuple[str, float, int]:
    limit, period = parse_rate(application.rate_limit)
    quota = -1 if application.daily_quota is None else application.daily_quota
    day = now.astimezone(UTC).strftime("%Y%m%d")
    # The braces keep an application's keys on one node of a Redis Cluster.
    keys = [f"goutong:quota:{{{application.pk}}}:rate", f"goutong:quota:{{{application.pk}}}:{day}"]
    arguments: list[str | int] = [cost, f"{now.timestamp():.6f}", period, limit, quota]
    verdict, full_at, used = _script(settings.REDIS_URL)(keys=keys, args=arguments)
    return verdict.decode(), float(full_at), int(float(used))


def _refusal(*, application: Application, cost: int, verdict: str, state: LimitState, now: datetime) -> NotifyError:
    if verdict == "day":
        left = next(limit.remaining for limit in state.limits if limit.name == "daily")
        return OverQuota(
            f"{cost} recipients are more than the {left} left of today's quota of {application.daily_quota}.",
            retry_after=(_midnight(now) - now).total_seconds(),
            state=state,
        )
    default = next(limit for limit in state.limits if limit.name == "default")
    missing = min(cost, default.quota) - default.remaining
    return OverRate(
        f"{cost} recipients are more than the rate limit of {application.rate_limit} allows now.",
        retry_after=missing * default.window_s / default.quota,
        state=state,
    )


def charge(*, application: Application, cost: int, now: datetime) -> LimitState:
    """Counts ``cost`` recipients against the limits of ``application``, all or nothing. Call it after validation and
    before storing. Raises RateLimited or QuotaExceeded, with when to come back. Never waits for Redis longer than
    ``REDIS_TIMEOUT_S``, and after a failure does not ask it for ``REDIS_PAUSE_S``."""
    if not application.rate_limit and application.daily_quota is None:
        return LimitState()
    answer = _cutout.call(lambda: _ask(application=application, cost=cost, now=now), otherwise=None)
    if answer is None:
        return LimitState()
    verdict, full_at, used = answer
    state = _state(application=application, now=now, full_at=full_at, used=used)
    if verdict:
        raise _refusal(application=application, cost=cost, verdict=verdict, state=state, now=now)
    return state
