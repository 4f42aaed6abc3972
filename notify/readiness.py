"""What becomes of a claimed delivery before anybody is asked: a message that can be handed over now, or an outcome."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from channels import gateway
from channels.degradation.admission import Admission, look_again_in
from channels.errors import ChannelHeld, InternalFault, MessageRejected, ReportAwaited
from channels.types import OutboundMessage
from notify import content, outcomes, steps, switching
from notify.databases import DATABASE_AWAY
from notify.facts import Facts
from notify.models.delivery import DeliveryKind, DeliveryStatus
from notify.outcomes import Rules
from notify.rows import Claimed, Outcome

logger = logging.getLogger(__name__)

#: Within this time the sweep has looked at a receipt.
_TO_HEAR: Final = timedelta(seconds=2)


def prepare(*, claimed: Claimed, facts: Facts | None, now: datetime, rules: Rules) -> OutboundMessage | Outcome:
    """The message of ``claimed``, or what to write of it when it can't, or may not, be handed over now."""
    if facts is None:
        return _orphaned(claimed, now)
    late = outcomes.overdue(claimed=claimed, facts=facts, now=now, rules=rules)
    if late is not None:
        return late
    elsewhere = _elsewhere(claimed, facts, now, rules)
    if elsewhere is not None:
        return elsewhere
    try:
        return _composed(claimed, facts)
    except (MessageRejected, InternalFault) as error:
        return outcomes.fail(claimed=claimed, facts=facts, error=error, now=now, rules=rules)


def hear_first(claimed: Claimed, *, now: datetime) -> Outcome:
    """What to write of a message whose awaited report has come, and is still to be looked at: nobody is asked before
    that."""
    return Outcome(
        id=claimed.id,
        status=DeliveryStatus.QUEUED,
        due_at=now + _TO_HEAR,
        waited=1,
        error_code=ReportAwaited.code,
        error_detail="its provider's report has come and is looked at first",
    )


def _elsewhere(claimed: Claimed, facts: Facts, now: datetime, rules: Rules) -> Outcome | None:
    """What to write of a message that its channel, as it stands, does not send now. Nothing, nearly always."""
    ruled = _ruled(claimed, facts, rules)
    if ruled is None:
        return None
    subject, rules = ruled
    target = switching.find_target(claimed=claimed, facts=facts, rules=rules)
    ruling = gateway.admit(subject, may_switch=target is not None)
    if ruling.admission is Admission.SEND:
        return None
    if ruling.admission is Admission.SWITCH and target is not None:
        return switching.switch(claimed=claimed, facts=facts, target=target, reason=ruling.reason, now=now, rules=rules)
    again_in = look_again_in(
        priority="bulk" if ruling.crowded else facts.priority,
        waited_s=(now - claimed.created_at).total_seconds(),
        left_s=(steps.gives_up_at(claimed, facts) - now).total_seconds(),
        held_s=None if ruling.until is None else (ruling.until - now).total_seconds(),
        rng=rules.rng,
    )
    held = ChannelHeld(ruling.reason, retry_after=again_in)
    return outcomes.fail(claimed=claimed, facts=facts, error=held, now=now, rules=rules)


def goes_elsewhere(claimed: Claimed, facts: Facts, *, rules: Rules) -> bool:
    """Whether a message would, if it looked now, go on by another channel."""
    ruled = _ruled(claimed, facts, rules)
    if ruled is None:
        return False
    subject, rules = ruled
    target = switching.find_target(claimed=claimed, facts=facts, rules=rules)
    return target is not None and gateway.sends_elsewhere(subject)


def _ruled(claimed: Claimed, facts: Facts, rules: Rules) -> tuple[gateway.Subject, Rules] | None:
    """The message as one that its channel's state and orders rule on, and its rules; None when nothing is known against
    that channel. A test key's message is ruled by the channel on the stage of a drill, where it plays on one, and by
    none else."""
    if claimed.kind != DeliveryKind.MESSAGE:
        return None
    channel = claimed.channel
    if claimed.is_test:
        channel = gateway.stage_of(message_id=claimed.id, channel=channel, application=facts.application)
        if not channel:
            return None
        rules = replace(rules, fallback=gateway.channel_orders(channel).fallback, is_usable=_is_usable_on_stage)
    if gateway.is_at_rest(channel):
        return None
    subject = gateway.Subject(
        message_id=claimed.id,
        channel=channel,
        priority=facts.priority,
        category=facts.category,
        application=facts.application,
    )
    return subject, rules


def _is_usable_on_stage(channel: str) -> bool:
    return gateway.is_usable(gateway.stand_in(channel))


def _composed(claimed: Claimed, facts: Facts) -> OutboundMessage:
    try:
        return content.compose(claimed=claimed, facts=facts)
    except (MessageRejected, *DATABASE_AWAY):
        raise
    except Exception as error:
        # The edge of one message: a defect that it meets must not take the rest of its claim along.
        logger.exception("a message can't be composed", extra={"delivery_id": str(claimed.id)})
        raise InternalFault(f"the message can't be composed ({type(error).__name__})") from error


def _orphaned(claimed: Claimed, now: datetime) -> Outcome:
    logger.error("delivery without its notification", extra={"delivery_id": str(claimed.id)})
    detail = "its notification is not stored"
    return Outcome(
        id=claimed.id, status=DeliveryStatus.FAILED, error_code="orphaned", error_detail=detail, finished_at=now
    )
