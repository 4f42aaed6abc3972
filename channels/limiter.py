"""How fast a provider may be asked: its rate limit, shared by all processes through Redis, by each for itself when
Redis is away (better a little too fast than not at all).

Windows are fixed and begin with the first permit. Each priority has a ceiling in them, so that bulk can't use up what
critical messages will need; in short windows it rises towards the end. Only what was granted is counted. The strategies
of the ``limits`` library answer yes or no, to one caller; a batch wants to know how much of it may go now.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Final

import redis
from django.conf import settings

from channels import shared_redis
from channels.bulkhead import CEILINGS
from channels.cutout import CutOut
from channels.names import PRIORITIES

_PERIODS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FAILURES: Final = (redis.RedisError, OSError)
#: The least urgent first: what a priority may use together with all those before it.
_ASCENDING: Final = tuple(reversed(PRIORITIES))
_SOON_S: Final = 0.01

#: In windows up to this long, what the more urgent have left goes to the others in the second half, bit by bit: nobody
#: is kept from a rate that is not used. In longer ones it is kept to the end, since it comes back only with the next.
_OPENS_UP_TO_S: Final = 60
#: Whoever is refused while the window opens looks again after this part of it.
_LOOK_AGAIN: Final = 0.125

# KEYS: the window, a hash of permits by priority. ARGV: its length in ms, wanted, the asking priority's place among
# the following pairs of a priority and its ceiling, the least urgent first (the last ceiling is the whole amount),
# and whether the ceilings open. The server's clock ends the window. Answers: granted, ms until there is more.
_TAKE: Final = """
local period, place_of_asker = tonumber(ARGV[1]), tonumber(ARGV[3])
local left = redis.call('PTTL', KEYS[1])
local fresh = left < 0
if fresh then left = period end
local pairs_given = (#ARGV - 4) / 2
local amount = tonumber(ARGV[3 + 2 * pairs_given])
local opened = 0
if ARGV[#ARGV] == '1' then opened = math.max(0, 1 - 2 * left / period) end
local used, room = 0, tonumber(ARGV[2])
for place = 1, pairs_given do
  used = used + tonumber(redis.call('HGET', KEYS[1], ARGV[2 + 2 * place]) or 0)
  if place >= place_of_asker then
    local ceiling = tonumber(ARGV[3 + 2 * place])
    room = math.min(room, math.ceil(ceiling + (amount - ceiling) * opened) - used)
  end
end
room = math.max(room, 0)
if room > 0 then
  redis.call('HINCRBY', KEYS[1], ARGV[2 + 2 * place_of_asker], room)
end
if fresh then
  redis.call('PEXPIRE', KEYS[1], period)
end
if ARGV[#ARGV] == '1' and used + room < amount then
  left = math.min(left, math.ceil(period * LOOK_AGAIN))
end
return {room, left}
""".replace("LOOK_AGAIN", str(_LOOK_AGAIN))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many permits in so many seconds."""

    amount: int
    period_s: int

    def ceiling(self, priority: str, *, opened: float = 0.0) -> int:
        """How many of them ``priority`` and all that is less urgent may have together, where the window is ``opened``
        to the whole amount by so much, from 0 to 1."""
        ceiling = math.ceil(self.amount * CEILINGS[priority])
        return math.ceil(ceiling + (self.amount - ceiling) * opened)

    @property
    def opens(self) -> bool:
        """Whether ceilings rise to the whole amount towards the end of a window."""
        return self.period_s <= _OPENS_UP_TO_S


@cache
def parse_rate(rate: str) -> Rate:
    """``200/s`` as a Rate. Raises ValueError or KeyError for anything else."""
    amount, _, unit = rate.partition("/")
    return Rate(int(amount), _PERIODS[unit])


@dataclass(slots=True)
class _Window:
    """A window of this process alone."""

    ends_at: float
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PRIORITIES, 0))

    def take(self, rate: Rate, priority: str, wanted: int, *, left_s: float) -> tuple[int, float]:
        opened = max(0.0, 1 - 2 * left_s / rate.period_s) if rate.opens else 0.0
        used, room = 0, wanted
        for one in _ASCENDING:
            used += self.used[one]
            if _ASCENDING.index(one) >= _ASCENDING.index(priority):
                room = min(room, rate.ceiling(one, opened=opened) - used)
        granted = max(room, 0)
        self.used[priority] += granted
        if rate.opens and used + granted < rate.amount:
            left_s = min(left_s, rate.period_s * _LOOK_AGAIN)
        return granted, left_s


class Limiter:
    """Grants permits against the rate limits of providers."""

    def __init__(self) -> None:
        self._script = shared_redis.open_client(url=settings.REDIS_URL).register_script(_TAKE)
        self._redis = CutOut(name="redis (provider rates)", pause_s=settings.REDIS_PAUSE_S, failures=_FAILURES)
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = Lock()

    def take(self, *, provider: str, rate: str, wanted: int, priority: str = "normal") -> tuple[int, float]:
        """Up to ``wanted`` permits for ``provider``, and, when those are fewer, in how many seconds there will be more.
        An empty ``rate`` is no limit."""
        if not rate:
            return wanted, 0.0
        granted, more_in = self._redis.call(
            lambda: self._take_shared(provider, rate, wanted, priority), otherwise=None
        ) or self._take_own(provider, rate, wanted, priority)
        return granted, 0.0 if granted == wanted else max(more_in, _SOON_S)

    def _take_shared(self, provider: str, rate: str, wanted: int, priority: str) -> tuple[int, float]:
        parsed = parse_rate(rate)
        arguments: list[str | int] = [parsed.period_s * 1000, wanted, _ASCENDING.index(priority) + 1]
        for one in _ASCENDING:
            arguments += [one, parsed.ceiling(one)]
        arguments.append(int(parsed.opens))
        granted, left_ms = self._script(keys=[f"goutong:rate:{provider}:{rate}"], args=arguments)
        return int(granted), int(left_ms) / 1000

    def _take_own(self, provider: str, rate: str, wanted: int, priority: str) -> tuple[int, float]:
        parsed, now = parse_rate(rate), time.monotonic()
        with self._lock:
            window = self._windows.get((provider, rate))
            if window is None or window.ends_at <= now:
                window = self._windows[provider, rate] = _Window(now + parsed.period_s)
            return window.take(parsed, priority, wanted, left_s=window.ends_at - now)


class _Shared:
    limiter: Limiter | None = None
    lock = Lock()


def shared() -> Limiter:
    """The limiter of this process: its count of its own, when Redis is away, holds only if there is no other."""
    with _Shared.lock:
        if _Shared.limiter is None:
            _Shared.limiter = Limiter()
        return _Shared.limiter
