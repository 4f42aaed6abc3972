"""When to try again: a pure decision from an error, how often it was tried, and how much time is left.

Exponential back-off with full jitter (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015): the
wait is uniform in [0, min(cap, base * 2^n)], so that messages which failed together do not come back together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from channels.errors import ChannelHeld, OutcomeUnknown, ProviderError, ReportAwaited

#: No provider gains from being asked again sooner than this, and a lane should not spin.
MIN_DELAY_S: Final = 0.2
#: A message that waits without using up attempts (no provider, throttled) looks again at least this often: when the
#: channel is well again, nobody should be kept waiting for minutes.
MAX_WAIT_S: Final = 30.0
#: Over so many seconds behind the time of their reports those come back that were not reported: a code has only thirty.
_REPORT_SPREAD_S: Final = 1.0


class Verdict(StrEnum):
    """What is to become of a message that was not taken."""

    RETRY = "retry"
    HOLD = "hold"
    FAIL = "fail"
    BURY = "bury"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``max_attempts`` counts the first one; times in seconds. ``hold_unknown``: what may have been sent is not sent
    again by itself; with ``await_report`` not before its provider should have reported it."""

    max_attempts: int
    base_s: float
    cap_s: float
    hold_unknown: bool = False
    await_report: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """A verdict, its reason in words, and for a retry the moment of it."""

    verdict: Verdict
    reason: str
    code: str = ""
    due_at: datetime | None = None


def decide(
    *,
    error: ProviderError,
    attempts: int,
    waits: int,
    deadline: datetime,
    now: datetime,
    policy: RetryPolicy,
    rng: random.Random,
) -> RetryDecision:
    """What to do after ``error``, where ``attempts`` were used up before this one and ``waits`` passed without using
    one, for a message of no use after ``deadline``."""
    in_doubt = isinstance(error, OutcomeUnknown) and policy.hold_unknown
    if in_doubt and not (policy.await_report and isinstance(error, ReportAwaited)):
        return hold(error.detail)
    if not error.retryable:
        return RetryDecision(verdict=Verdict.FAIL, code=error.code, reason=error.detail)
    if error.uses_attempt and attempts + 1 >= policy.max_attempts:
        reason = f"attempt {attempts + 1} was the last: {error.detail}"
        return hold(reason) if in_doubt else _bury("attempts_used_up", reason)
    delay = _delay(error, tries=attempts if error.uses_attempt else waits, policy=policy, rng=rng)
    left = (deadline - now).total_seconds()
    if error.retry_after is None:
        # One more try within the time that is left beats none: only what the provider asked for is not shortened.
        delay = min(delay, max(left * rng.uniform(0.5, 0.9), MIN_DELAY_S))
    if delay >= left:
        reason = f"no time for another try: next in {delay:.1f} s, {max(left, 0):.1f} s left; {error.detail}"
        return hold(reason) if in_doubt else _bury("deadline", reason)
    return RetryDecision(
        verdict=Verdict.RETRY,
        code=error.code,
        reason=f"{error.detail}; again in {delay:.1f} s",
        due_at=now + timedelta(seconds=delay),
    )


def hold(reason: str) -> RetryDecision:
    """The verdict on what may have been sent, and is not to be sent again by itself."""
    return RetryDecision(verdict=Verdict.HOLD, code=OutcomeUnknown.code, reason=f"{reason}: held for a person")


def _bury(code: str, reason: str) -> RetryDecision:
    return RetryDecision(verdict=Verdict.BURY, code=code, reason=reason)


def _delay(error: ProviderError, *, tries: int, policy: RetryPolicy, rng: random.Random) -> float:
    cap = policy.cap_s if error.uses_attempt else min(policy.cap_s, MAX_WAIT_S)
    ceiling = min(cap, policy.base_s * 2.0 ** min(tries, 30))
    jittered = rng.uniform(0, ceiling)
    if error.retry_after is None:
        return max(jittered, MIN_DELAY_S)
    if isinstance(error, ChannelHeld):
        return max(error.retry_after, 0.0)  # spread already, and within the time that is left
    if isinstance(error, ReportAwaited):
        return max(error.retry_after, 0.0) + rng.uniform(0, min(policy.base_s, _REPORT_SPREAD_S))
    # Spread behind the asked-for moment, or everything that was throttled returns in the same instant.
    return max(error.retry_after, 0.0) + min(jittered, policy.base_s)
