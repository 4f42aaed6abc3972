"""From what a provider said to what is written: pure decisions, one delivery at a time.

A delivery ends, waits for another try, is held for a person, or hands over to the next channel of its route.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from channels.errors import ChannelHeld, InternalFault, OutcomeUnknown, ProviderError, ReportAwaited, TooLate
from channels.types import ProviderTry, SendReceipt, SendResult
from notify import callbacks, retry, steps
from notify.facts import Facts
from notify.ids import new_id
from notify.models.delivery import DeliveryKind, DeliveryStatus
from notify.models.event import EventType
from notify.retry import RetryDecision, RetryPolicy, Verdict
from notify.rows import AttemptRow, Claimed, DeadLetterRow, EventRow, Outcome

_DETAIL_LIMIT: Final = 1000
#: Of why a message goes on to another channel. Which one comes after it, and must not be cut off.
REASON_LIMIT: Final = 960
#: As long as one of these is written on a delivery, nobody knows what became of one of its tries.
_DOUBTS: Final = (OutcomeUnknown.code, ReportAwaited.code)
#: Of so many waits in a row without a provider being asked, one is written into the history.
_WAITS_TOLD: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the decisions below depend on besides the message."""

    policy: RetryPolicy
    step_deadline_s: Callable[[str], int]
    worker: str
    rng: random.Random = field(default_factory=random.Random)
    #: The channels that may stand in for this one, and whether a channel can take messages of another now.
    fallback: Sequence[str] = ()
    is_usable: Callable[[str], bool] = bool
    #: Whether its channel, as it stands now, sends a message to another one.
    goes_elsewhere: Callable[[Claimed, Facts], bool] = lambda _claimed, _facts: False
    #: How long a provider's report is waited for.
    receipt_wait: timedelta = timedelta(days=1)


def settle(
    *, claimed: Claimed, facts: Facts, result: SendResult, claimed_at: datetime, now: datetime, rules: Rules
) -> Outcome:
    """What to write after an attempt."""
    if isinstance(result.error, TooLate) and not result.tries:
        late = overdue(claimed=claimed, facts=facts, now=now, rules=rules)
        if late is not None:
            return late
    if result.receipt is not None:
        outcome = _sent(claimed, facts, result, result.receipt, now, rules)
    else:
        outcome = fail(
            claimed=claimed,
            facts=facts,
            error=result.error or OutcomeUnknown(),
            now=now,
            rules=rules,
            provider=result.provider,
            unknown=any(isinstance(attempt.error, OutcomeUnknown) for attempt in result.tries),
        )
    retry_at = outcome.due_at if outcome.status == DeliveryStatus.QUEUED else None
    tries = result.tries
    if not tries and result.error is not None and claimed.waits % _WAITS_TOLD == 0:
        # Nobody was asked. Said once and then now and then: a message may wait like this for hours.
        tries = (ProviderTry(provider="", started_at=now, latency_ms=0.0, error=result.error),)
    return replace(
        outcome,
        attempts=tuple(
            attempt_row(claimed, attempt, claimed_at, rules.worker, retry_at if attempt is tries[-1] else None)
            for attempt in tries
        ),
    )


def _sent(
    claimed: Claimed, facts: Facts, result: SendResult, receipt: SendReceipt, now: datetime, rules: Rules
) -> Outcome:
    status = DeliveryStatus.DELIVERED if receipt.delivered else DeliveryStatus.SENT
    outcome = Outcome(
        id=claimed.id,
        status=status,
        used=1,
        provider=result.provider,
        provider_message_id=clean(receipt.provider_message_id, 255),
        sent_at=now,
        delivered_at=now if receipt.delivered else None,
        finished_at=now,
        receipt_until=now + rules.receipt_wait if receipt.receipts and not receipt.delivered else None,
    )
    return tell(claimed, facts, outcome, now)


def fail(
    *,
    claimed: Claimed,
    facts: Facts,
    error: ProviderError,
    now: datetime,
    rules: Rules,
    provider: str = "",
    unknown: bool = False,
) -> Outcome:
    """What to write when no provider took the message, or nobody knows whether one did. ``provider``: who was asked
    last; ``unknown``: one of those that were asked gave no answer, whatever the last one said."""
    budget = rules.policy.max_attempts * (claimed.replays + 1)
    decision = retry.decide(
        error=error,
        attempts=claimed.attempts,
        waits=claimed.waits,
        deadline=steps.gives_up_at(claimed, facts),
        now=now,
        policy=replace(rules.policy, max_attempts=budget),
        rng=rules.rng,
    )
    used = int(error.uses_attempt)
    unknown = unknown or isinstance(error, OutcomeUnknown)
    base = Outcome(
        id=claimed.id,
        status=DeliveryStatus.QUEUED,
        used=used,
        waited=1 - used,
        provider=provider,
        error_code=_code(decision, in_doubt=unknown or _in_doubt(claimed)),
        error_detail=clean(decision.reason),
    )
    if decision.verdict is Verdict.RETRY:
        if not isinstance(error, ChannelHeld | ReportAwaited) and rules.goes_elsewhere(claimed, facts):
            # Patience is for a provider that will be asked again, and on this channel none will.
            soon = now + timedelta(seconds=retry.MIN_DELAY_S)
            return replace(base, due_at=soon, error_detail=clean(f"{error.detail}; on by another channel"))
        return replace(base, due_at=decision.due_at)
    if decision.verdict is Verdict.HOLD:
        return _hold(claimed, facts, base, decision, now)
    base = replace(base, error_code=decision.code[:64])
    return end(claimed=claimed, facts=facts, base=base, decision=decision, now=now, rules=rules, unknown=unknown)


def _hold(claimed: Claimed, facts: Facts, base: Outcome, decision: RetryDecision, now: datetime) -> Outcome:
    events = (event_row(claimed, EventType.HELD, decision.reason),)
    return tell(claimed, facts, replace(base, status=DeliveryStatus.HELD, finished_at=now, events=events), now)


def undecidable(*, claimed: Claimed, error: Exception, now: datetime, result: SendResult | None = None) -> Outcome:
    """What to write when a defect of ours keeps us from deciding: a message that was sent is sent, any other is held
    for a person. It must not take its neighbours along, nor be tried for ever."""
    detail = clean(f"its outcome can't be decided ({type(error).__name__})")
    base = Outcome(id=claimed.id, status=DeliveryStatus.HELD, error_code=InternalFault.code, error_detail=detail)
    events: tuple[EventRow, ...] = (event_row(claimed, EventType.HELD, detail),)
    if result is not None and result.receipt is not None:
        base = replace(base, status=DeliveryStatus.SENT, used=1, provider=result.provider, sent_at=now)
        events = ()
    return replace(base, finished_at=now, events=events)


def bare(outcome: Outcome) -> Outcome:
    """``outcome`` without anything that the database may have refused: its status is what must not be lost, nor what
    it can be replayed by."""
    letter = outcome.dead_letter._replace(detail="") if outcome.dead_letter is not None else None
    return replace(
        outcome, provider_message_id="", error_detail="", callback=None, attempts=(), events=(), dead_letter=letter
    )


def end(
    *,
    claimed: Claimed,
    facts: Facts,
    base: Outcome,
    decision: RetryDecision,
    now: datetime,
    rules: Rules,
    unknown: bool = False,
) -> Outcome:
    """The end of a delivery: the next channel takes over where there is one, else it failed, or is buried. ``unknown``:
    nobody knows what became of one of its last tries."""
    following = steps.next_channel(claimed, facts)
    if following is not None and now < claimed.deadline:
        words = f"{claimed.channel} gave up ({decision.code}): {decision.reason}"
        reason = clean(f"{doubt(claimed, unknown=unknown)}{words}", REASON_LIMIT)
        switched = replace(
            base,
            status=DeliveryStatus.FAILED,
            finished_at=now,
            next_step=steps.row(claimed, facts, following, step_deadline_s=rules.step_deadline_s, now=now),
            events=(event_row(claimed, EventType.SWITCHED, f"{reason}; on to {following[1]}"),),
        )
        return tell(claimed, facts, switched, now)
    if decision.verdict is Verdict.FAIL:
        return tell(claimed, facts, replace(base, status=DeliveryStatus.FAILED, finished_at=now), now)
    buried = replace(
        base,
        status=DeliveryStatus.DEAD,
        finished_at=now,
        dead_letter=_dead_letter(claimed, base, decision, now),
        events=(event_row(claimed, EventType.BURIED, decision.reason),),
    )
    return tell(claimed, facts, buried, now)


def doubt(claimed: Claimed, *, unknown: bool = False) -> str:
    """What a message that goes on to another channel says first, where a try may have reached the person."""
    if unknown or _in_doubt(claimed):
        return f"it may have arrived by {claimed.channel} too, the outcome of a try is unknown; "
    return ""


def _code(decision: RetryDecision, *, in_doubt: bool) -> str:
    """What may have arrived once may have, whatever is said later."""
    return OutcomeUnknown.code if in_doubt and decision.code not in _DOUBTS else decision.code[:64]


def _in_doubt(claimed: Claimed) -> bool:
    """Whether nobody knows what became of an earlier try."""
    return claimed.error_code in _DOUBTS


def overdue(*, claimed: Claimed, facts: Facts, now: datetime, rules: Rules) -> Outcome | None:
    """What to write of a delivery whose time, or whose step's time, is over before it could be handed over; None when
    there is time left. One that nobody ever tried has expired; one that was tried is buried, with its history. One that
    may have arrived is held, where its channel waits for reports and nobody was asked since."""
    base = Outcome(id=claimed.id, status=DeliveryStatus.EXPIRED)
    if now >= claimed.deadline:
        detail = f"its deadline {claimed.deadline.isoformat()} passed after {claimed.attempts} attempts"
        if rules.policy.await_report and claimed.error_code == ReportAwaited.code:
            held = retry.hold(detail)
            return _hold(claimed, facts, replace(base, error_code=held.code, error_detail=held.reason), held, now)
        if claimed.attempts or claimed.replays:
            bury = RetryDecision(verdict=Verdict.BURY, code="deadline", reason=detail)
            base = replace(base, error_code="deadline", error_detail=detail)
            return end(claimed=claimed, facts=facts, base=base, decision=bury, now=now, rules=rules)
        event = event_row(claimed, EventType.EXPIRED, detail)
        expired = replace(base, error_code="expired", error_detail=detail, finished_at=now, events=(event,))
        return tell(claimed, facts, expired, now)
    step_ends = claimed.step_deadline
    if step_ends is not None and now >= step_ends and steps.next_channel(claimed, facts) is not None:
        detail = f"the time of this step was over at {step_ends.isoformat()}"
        base = replace(base, error_code="step_deadline", error_detail=detail)
        bury = RetryDecision(verdict=Verdict.BURY, code="step_deadline", reason=detail)
        return end(claimed=claimed, facts=facts, base=base, decision=bury, now=now, rules=rules)
    return None


def attempt_row(
    claimed: Claimed, attempt: ProviderTry, claimed_at: datetime, worker: str, retry_at: datetime | None
) -> AttemptRow:
    """One conversation about a delivery, as it is written down."""
    receipt, error = attempt.receipt, attempt.error
    return AttemptRow(
        id=new_id(),
        delivery_id=claimed.id,
        notification_id=claimed.notification_id,
        number=claimed.attempts + 1,
        channel=claimed.channel,
        provider=attempt.provider,
        outcome=error.code if error is not None else "sent",
        error_detail=clean(error.detail) if error is not None else "",
        reason=attempt.reason,
        provider_message_id=clean(receipt.provider_message_id, 255) if receipt is not None else "",
        worker=worker,
        claimed_at=claimed_at,
        started_at=attempt.started_at,
        latency_ms=attempt.latency_ms,
        retry_at=retry_at,
    )


def event_row(claimed: Claimed, type_: EventType, reason: str) -> EventRow:
    """Something that happened to a delivery."""
    return EventRow(new_id(), claimed.notification_id, claimed.id, type_, channel=claimed.channel, reason=clean(reason))


def _dead_letter(claimed: Claimed, base: Outcome, decision: RetryDecision, now: datetime) -> DeadLetterRow:
    return DeadLetterRow(
        id=new_id(),
        delivery_id=claimed.id,
        notification_id=claimed.notification_id,
        application_id=claimed.application_id,
        channel=claimed.channel,
        lane=claimed.lane,
        provider=base.provider or claimed.provider,
        reason=decision.code,
        detail=clean(decision.reason),
        attempts=claimed.attempts + base.used,
        state="open",
        created_at=now,
    )


def tell(claimed: Claimed, facts: Facts, outcome: Outcome, now: datetime) -> Outcome:
    """Adds what the application is to be told: a status callback for a message, an event for a callback itself."""
    if claimed.kind == DeliveryKind.CALLBACK:
        event = event_row(claimed, EventType.CALLBACK, outcome.error_detail)
        return replace(outcome, events=(*outcome.events, event._replace(outcome=outcome.status)))
    if not facts.callback_url:
        return outcome
    return replace(outcome, callback=callbacks.row(claimed=claimed, facts=facts, outcome=outcome, now=now))


def clean(text: str, limit: int = _DETAIL_LIMIT) -> str:
    """Text that came from a provider, as PostgreSQL can hold it: no NUL, no lone surrogates, not endless."""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()


def with_rows(outcome: Outcome, *, attempts: Sequence[AttemptRow], events: Sequence[EventRow]) -> Outcome:
    """``outcome`` with more of its history to write."""
    return replace(outcome, attempts=(*outcome.attempts, *attempts), events=(*outcome.events, *events))
