"""Where pins are kept: PostgreSQL. The one writer of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from channels import signals
from channels.degradation import pin_rules
from channels.degradation.pin import PinSpec, in_force
from channels.models import Pin, Provider
from channels.names import PinAction, PinSource


def put(
    *,
    action: PinAction | str,
    reason: str,
    author: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    source: PinSource | str = PinSource.MANUAL,
    channel: str = "",
    provider: str = "",
    priority: str = "",
    category: str = "",
    application: str = "",
    parameters: Mapping[str, Any] | None = None,
    pin_id: UUID | None = None,
) -> PinSpec:
    """Pins a target from ``starts_at`` on, and returns the pin. A ``pin_id`` that is pinned already changes nothing and
    gives what is stored: who is not sure whether it went through asks again. Raises InvalidPin.
    """
    asked = PinSpec(
        id=pin_id or uuid4(),
        action=pin_rules.action_of(action),
        source=pin_rules.source_of(source),
        channel=channel,
        provider=provider,
        priority=priority,
        category=category,
        application=application,
        parameters=dict(parameters or {}),
        reason=reason,
        author=author,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    with transaction.atomic():
        stored = Pin.objects.filter(pk=asked.id).first()
        if stored is not None:
            return _spec(stored)
        carriers = dict(Provider.objects.values_list("name", "channel"))
        checked = pin_rules.check(asked, carriers=carriers, now=now)
        row, made = Pin.objects.get_or_create(pk=checked.id, defaults={**_columns(checked), "created_at": now})
        if made:
            _tell("pin.put", row, author)
    return _spec(row)


def end(*, pin_id: UUID, now: datetime) -> bool:
    """Ends a pin before its time; says whether it was in force, or still to come, until now. Once is enough, and a
    pin that is over, or that nobody knows, is no error."""
    with transaction.atomic():
        was_open = bool(Pin.objects.filter(pk=pin_id, ended_at=None, ends_at__gt=now).update(ended_at=now))
        if was_open:
            _tell("pin.ended", Pin.objects.get(pk=pin_id))
    return was_open


def active(*, now: datetime) -> tuple[PinSpec, ...]:
    """The pins in force, the newest last. Those of drills, which hold on their stage alone, are not among them."""
    return tuple(one for one in in_force(known(now=now), now=now) if one.source is not PinSource.DRILL)


def known(*, now: datetime) -> tuple[PinSpec, ...]:
    """The pins that are in force or still to come, those of drills too: what a process has to know to be on time
    without asking again."""
    return _specs(Pin.objects.filter(ended_at=None, ends_at__gt=now))


def forget_past(*, now: datetime) -> int:
    """Removes pins that have been over for longer than events are kept; returns how many there were."""
    oldest = now - timedelta(days=settings.CHANNELS["DEGRADATIONS_KEPT_DAYS"])
    return Pin.objects.filter(ends_at__lt=oldest).delete()[0]


def ended_between(*, after: datetime, now: datetime) -> tuple[PinSpec, ...]:
    """The pins that came to an end after ``after`` and not later than ``now``, by themselves or by somebody."""
    by_themselves = Q(ended_at=None, ends_at__gt=after, ends_at__lte=now)
    by_somebody = Q(ended_at__gt=after, ended_at__lte=now, ends_at__gt=after)
    return _specs(Pin.objects.filter(by_themselves | by_somebody, starts_at__lte=now))


def _specs(rows: Iterable[Pin]) -> tuple[PinSpec, ...]:
    return tuple(_spec(row) for row in rows)


def _tell(action: str, row: Pin, actor: str = "") -> None:
    columns = _columns(_spec(row))
    said = {name: value for name, value in columns.items() if value and name not in ("reason", "author")}
    before, after = (None, said) if action == "pin.put" else (said, None)
    signals.send_changed(
        action=action, target=f"pin:{row.pk}", before=before, after=after, reason=row.reason, actor=actor
    )


def _columns(pin: PinSpec) -> dict[str, Any]:
    return {
        "action": pin.action,
        "channel": pin.channel,
        "provider": pin.provider,
        "priority": pin.priority,
        "category": pin.category,
        "application": pin.application,
        "parameters": dict(pin.parameters),
        "reason": pin.reason,
        "author": pin.author,
        "source": pin.source,
        "starts_at": pin.starts_at,
        "ends_at": pin.ends_at,
    }


def _spec(row: Pin) -> PinSpec:
    return PinSpec(
        id=row.id,
        action=PinAction(row.action),
        source=PinSource(row.source),
        channel=row.channel,
        provider=row.provider,
        priority=row.priority,
        category=row.category,
        application=row.application,
        parameters=row.parameters,
        reason=row.reason,
        author=row.author,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
    )
