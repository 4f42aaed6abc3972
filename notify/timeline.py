"""A notification's story, pieced together from what is stored: a pure function of its rows.

Rare events are rows of their own; ``accepted``, ``scheduled``, ``queued``, ``claimed``, ``attempted``, ``retried`` and
``suppressed`` follow from the notification, its deliveries and their attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from notify.ids import id_time
from notify.models import Attempt, Delivery, DeliveryKind, DeliveryStatus, Event, Notification
from notify.models.event import EventType

#: How events of one delivery and one millisecond follow from each other.
_ORDER: Final = {
    name: place
    for place, name in enumerate(
        (
            "accepted",
            "suppressed",
            "scheduled",
            "queued",
            "claimed",
            "released",
            "attempted",
            "retried",
            "receipt",
            "held",
            "marked_sent",
            "cancelled",
            "expired",
            "buried",
            "discarded",
            "replayed",
            "switched",
            "callback",
        )
    )
}

#: Of a status callback, its own ``callback`` event tells these already.
_ENDS: Final = (EventType.BURIED, EventType.EXPIRED, EventType.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One thing that happened. ``attempt`` counts from 1. ``elapsed_ms`` is the time since the event before it, 0 for
    the first. ``actor`` is a person, a worker or a part of the platform. What does not apply is None."""

    at: datetime
    type: str
    delivery_id: UUID | None = None
    channel: str | None = None
    provider: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    reason: str | None = None
    actor: str | None = None
    elapsed_ms: int = 0


def build(
    notification: Notification,
    deliveries: Sequence[Delivery],
    attempts: Sequence[Attempt],
    events: Sequence[Event],
) -> list[TimelineEvent]:
    """The timeline of ``notification``, oldest first. ``deliveries`` may include the status callbacks: what happened to
    them is told as ``callback`` events. Free text is not masked."""
    callbacks = {delivery.id for delivery in deliveries if delivery.kind == DeliveryKind.CALLBACK}
    messages = [delivery for delivery in deliveries if delivery.id not in callbacks]
    stored = [_stored(event) for event in events]
    found = [
        TimelineEvent(at=notification.created_at, type="accepted"),
        *_entries(notification, messages, switches=[event for event in stored if event.type == EventType.SWITCHED]),
        *_conversations(attempt for attempt in attempts if attempt.delivery_id not in callbacks),
        *(event for event in stored if event.delivery_id not in callbacks),
        *_callbacks(
            attempts=[attempt for attempt in attempts if attempt.delivery_id in callbacks],
            stored=[event for event in stored if event.delivery_id in callbacks],
        ),
    ]
    places = {delivery.id: place for place, delivery in enumerate(_in_turn(messages))}
    return _with_elapsed(sorted(found, key=lambda event: _place(event, places)))


def _in_turn(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """By step; a channel that stands in has the step of the one that it stands in for, and came later."""
    return sorted(deliveries, key=lambda each: (each.step, each.id))


def _place(event: TimelineEvent, places: Mapping[UUID, int]) -> tuple[int, int, int]:
    """By millisecond, since ids know no finer time; within one, by logic."""
    place = -1 if event.delivery_id is None else places.get(event.delivery_id, len(places))
    return int(event.at.timestamp() * 1000), place, _ORDER.get(event.type, len(_ORDER))


def _with_elapsed(events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    timed: list[TimelineEvent] = []
    for event in events:
        since = event.at - timed[-1].at if timed else timedelta()
        # Within a millisecond, logic and not the clock gave the order.
        timed.append(replace(event, elapsed_ms=max(0, round(since.total_seconds() * 1000))))
    return timed


def _entries(
    notification: Notification, deliveries: Iterable[Delivery], *, switches: Sequence[TimelineEvent]
) -> Iterator[TimelineEvent]:
    """How each delivery came into its lane: at acceptance, at its time, or when another channel had given up."""
    for delivery in _in_turn(deliveries):
        turn = _turn(delivery, switches)
        if delivery.status == DeliveryStatus.SUPPRESSED and not delivery.attempts:
            yield _of(delivery, "suppressed", delivery.created_at, reason=_text(delivery.error_detail))
        elif notification.send_at is None or notification.send_at <= delivery.created_at:
            # Written by one process in one go, the switch and what it led to have times in no certain order.
            yield _of(delivery, "queued", delivery.created_at if turn is None else max(delivery.created_at, turn.at))
        else:
            yield from _scheduled(delivery, notification.send_at)


def _turn(delivery: Delivery, switches: Iterable[TimelineEvent]) -> TimelineEvent | None:
    """The switch that led to ``delivery``: of those on to its channel the one it was born with."""
    led = [switch for switch in switches if (switch.reason or "").endswith(f"on to {delivery.channel}")]
    return min(led, key=lambda switch: abs(switch.at - delivery.created_at), default=None)


def _scheduled(delivery: Delivery, send_at: datetime) -> Iterator[TimelineEvent]:
    yield _of(delivery, "scheduled", delivery.created_at, reason=f"to be sent at {_moment(send_at)}")
    ended_before = delivery.finished_at is not None and delivery.finished_at < send_at
    if delivery.status != DeliveryStatus.SCHEDULED and not ended_before:
        yield _of(delivery, "queued", send_at)


def _of(delivery: Delivery, kind: str, at: datetime, *, reason: str | None = None) -> TimelineEvent:
    return TimelineEvent(at=at, type=kind, delivery_id=delivery.id, channel=delivery.channel, reason=reason)


def _conversations(attempts: Iterable[Attempt]) -> Iterator[TimelineEvent]:
    """Each claim once, and every conversation with a provider that it led to."""
    claims: set[tuple[UUID, int, datetime]] = set()
    for attempt in attempts:
        claim = (attempt.delivery_id, attempt.number, attempt.claimed_at)
        if claim not in claims:
            claims.add(claim)
            yield _about(attempt, "claimed", attempt.claimed_at, actor=_text(attempt.worker))
        yield _about(
            attempt,
            "attempted",
            _end(attempt),
            provider=_text(attempt.provider),
            outcome=attempt.outcome,
            reason=_joined(attempt.error_detail, attempt.reason),
        )
        if attempt.retry_at is not None:
            yield _about(
                attempt,
                "retried",
                _end(attempt),
                provider=_text(attempt.provider),
                outcome=attempt.outcome,
                reason=f"{_cause(attempt)}; again at {_moment(attempt.retry_at)}",
            )


def _about(
    attempt: Attempt,
    kind: str,
    at: datetime,
    *,
    provider: str | None = None,
    outcome: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
) -> TimelineEvent:
    return TimelineEvent(
        at=at,
        type=kind,
        delivery_id=attempt.delivery_id,
        channel=attempt.channel,
        provider=provider,
        attempt=attempt.number,
        outcome=outcome,
        reason=reason,
        actor=actor,
    )


def _callbacks(*, attempts: Iterable[Attempt], stored: Sequence[TimelineEvent]) -> Iterator[TimelineEvent]:
    """What became of status callbacks: every failed try, the end, and what people did about it."""
    ended = {event.delivery_id for event in stored if event.type == EventType.CALLBACK}
    for event in stored:
        if event.type == EventType.CALLBACK:
            yield event
        elif event.type not in _ENDS:
            yield replace(event, type=EventType.CALLBACK.value, outcome=event.type)
    for attempt in attempts:
        if attempt.outcome != "sent" or attempt.delivery_id not in ended:
            again = f"; again at {_moment(attempt.retry_at)}" if attempt.retry_at is not None else ""
            yield _about(
                attempt,
                EventType.CALLBACK.value,
                _end(attempt),
                provider=_text(attempt.provider),
                outcome=attempt.outcome,
                reason=_text(attempt.error_detail + again),
                actor=_text(attempt.worker),
            )


def _stored(event: Event) -> TimelineEvent:
    return TimelineEvent(
        at=id_time(event.id),
        type=event.type,
        delivery_id=event.delivery_id,
        channel=_text(event.channel),
        provider=_text(event.provider),
        outcome=_text(event.outcome),
        reason=_text(event.reason),
        actor=_text(event.actor),
    )


def _end(attempt: Attempt) -> datetime:
    return attempt.started_at + timedelta(milliseconds=attempt.latency_ms)


def _cause(attempt: Attempt) -> str:
    return f"{attempt.outcome}: {attempt.error_detail}" if attempt.error_detail else attempt.outcome


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _joined(*parts: str) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _text(value: str) -> str | None:
    return value or None
