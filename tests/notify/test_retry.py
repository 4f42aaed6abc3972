"""When to try again: a table, and what holds for every error and every moment."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.errors import (
    ChannelHeld,
    MessageRejected,
    Misconfigured,
    NoProvider,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    ReportAwaited,
    Throttled,
    Unavailable,
)
from notify.retry import MAX_WAIT_S, RetryDecision, RetryPolicy, Verdict, decide

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=5, base_s=2.0, cap_s=60.0)


def after(
    error: ProviderError, *, attempts: int = 0, waits: int = 0, left_s: float = 3600, policy: RetryPolicy = POLICY
) -> RetryDecision:
    return decide(
        error=error,
        attempts=attempts,
        waits=waits,
        deadline=NOW + timedelta(seconds=left_s),
        now=NOW,
        policy=policy,
        rng=random.Random(7),
    )


@pytest.mark.parametrize(
    ("error", "attempts", "left_s", "verdict", "code"),
    [
        (Unavailable(), 0, 3600, Verdict.RETRY, "unavailable"),
        (Unavailable(), 4, 3600, Verdict.BURY, "attempts_used_up"),
        (OutcomeUnknown(), 0, 3600, Verdict.RETRY, "outcome_unknown"),
        (Misconfigured(), 0, 3600, Verdict.RETRY, "misconfigured"),
        (Throttled(retry_after=30), 4, 3600, Verdict.RETRY, "throttled"),
        (NoProvider(), 4, 3600, Verdict.RETRY, "no_provider"),
        (Throttled(retry_after=4000), 0, 3600, Verdict.BURY, "deadline"),
        (RecipientRejected(), 0, 3600, Verdict.FAIL, "recipient_rejected"),
        (MessageRejected(), 0, 3600, Verdict.FAIL, "message_rejected"),
        (Unavailable(), 0, 0.1, Verdict.BURY, "deadline"),
        (Unavailable(), 0, -5, Verdict.BURY, "deadline"),
    ],
)
def test_the_verdict_follows_from_the_class_of_the_error(
    error: ProviderError, attempts: int, left_s: float, verdict: Verdict, code: str
) -> None:
    decision = after(error, attempts=attempts, left_s=left_s)
    assert (decision.verdict, decision.code) == (verdict, code)


def test_an_unknown_outcome_is_held_where_the_channel_says_so() -> None:
    policy = RetryPolicy(max_attempts=5, base_s=2.0, cap_s=60.0, hold_unknown=True)
    assert after(OutcomeUnknown(), policy=policy).verdict is Verdict.HOLD
    assert after(Unavailable(), policy=policy).verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("error", "attempts", "left_s", "verdict", "code"),
    [
        (ReportAwaited(retry_after=10), 0, 3600, Verdict.RETRY, "report_awaited"),
        (ReportAwaited(retry_after=10), 0, 12, Verdict.RETRY, "report_awaited"),
        (ReportAwaited(retry_after=0), 0, 3600, Verdict.RETRY, "report_awaited"),
        (ReportAwaited(retry_after=10), 0, 9, Verdict.HOLD, "outcome_unknown"),
        (ReportAwaited(retry_after=10), 0, -5, Verdict.HOLD, "outcome_unknown"),
        (ReportAwaited(retry_after=10), 4, 3600, Verdict.HOLD, "outcome_unknown"),
        (OutcomeUnknown(), 0, 3600, Verdict.HOLD, "outcome_unknown"),
        (Unavailable(), 0, 3600, Verdict.RETRY, "unavailable"),
        (Unavailable(), 4, 3600, Verdict.BURY, "attempts_used_up"),
        (NoProvider(), 4, 0.1, Verdict.BURY, "deadline"),
        (RecipientRejected(), 0, 3600, Verdict.FAIL, "recipient_rejected"),
    ],
)
def test_where_reports_are_waited_for_what_is_in_doubt_is_tried_after_its_report_or_held(
    error: ProviderError, attempts: int, left_s: float, verdict: Verdict, code: str
) -> None:
    policy = replace(POLICY, hold_unknown=True, await_report=True)
    decision = after(error, attempts=attempts, left_s=left_s, policy=policy)
    assert (decision.verdict, decision.code) == (verdict, code)
    assert decision.reason.endswith(": held for a person") == (verdict is Verdict.HOLD)


def test_a_channel_that_holds_waits_for_no_report() -> None:
    decision = after(ReportAwaited(retry_after=10), policy=replace(POLICY, hold_unknown=True))
    assert (decision.verdict, decision.code) == (Verdict.HOLD, "outcome_unknown")


def test_what_waits_for_its_report_is_spread_over_a_second_behind_it() -> None:
    rng = random.Random(1)
    waits = [
        (due - NOW).total_seconds()
        for attempts in (0, 3)
        for _ in range(50)
        if (
            due := decide(
                error=ReportAwaited(retry_after=10),
                attempts=attempts,
                waits=0,
                deadline=NOW + timedelta(hours=1),
                now=NOW,
                policy=POLICY,
                rng=rng,
            ).due_at
        )
    ]
    assert len(set(waits)) == 100
    assert 10 <= min(waits) < 10.1 < 10.9 < max(waits) <= 11


def test_what_the_provider_asks_for_is_never_shortened() -> None:
    decision = after(Throttled(retry_after=120))
    assert decision.due_at is not None
    assert decision.due_at >= NOW + timedelta(seconds=120)


def test_what_a_channel_holds_comes_back_at_the_moment_that_was_spread_already() -> None:
    decision = after(ChannelHeld(retry_after=0.6), waits=9, left_s=1.0)
    assert (decision.verdict, decision.due_at) == (Verdict.RETRY, NOW + timedelta(seconds=0.6))


def test_a_short_deadline_still_gets_another_try() -> None:
    decision = after(Unavailable(), attempts=3, left_s=2)
    assert decision.verdict is Verdict.RETRY


@given(
    attempts=st.integers(0, 3),
    waits=st.integers(0, 10_000),
    left_s=st.floats(0.5, 100_000),
    seed=st.integers(0, 2**32),
    error=st.sampled_from([Unavailable(), OutcomeUnknown(), Throttled(), NoProvider(), Throttled(retry_after=7)]),
)
def test_a_retry_never_lies_past_the_deadline_nor_waits_longer_than_its_ceiling(
    attempts: int, waits: int, left_s: float, seed: int, error: ProviderError
) -> None:
    decision = decide(
        error=error,
        attempts=attempts,
        waits=waits,
        deadline=NOW + timedelta(seconds=left_s),
        now=NOW,
        policy=POLICY,
        rng=random.Random(seed),
    )
    if decision.verdict is Verdict.RETRY:
        assert decision.due_at is not None
        delay = (decision.due_at - NOW).total_seconds()
        assert 0 < delay < left_s
        if error.retry_after is None:
            ceiling = min(POLICY.cap_s, 2.0 * 2**attempts) if error.uses_attempt else MAX_WAIT_S
            assert delay <= max(ceiling, 0.2) + 1e-6


def test_retries_of_messages_that_failed_together_are_spread() -> None:
    rng = random.Random(1)
    delays = {
        decide(
            error=Unavailable(),
            attempts=3,
            waits=0,
            deadline=NOW + timedelta(hours=1),
            now=NOW,
            policy=POLICY,
            rng=rng,
        ).due_at
        for _ in range(50)
    }
    assert len(delays) == 50
