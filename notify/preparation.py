"""Checking an order once, and then each recipient against it. Pure but for the look-up of the template.

A batch pays for the first part once and for the second ten thousand times: whatever can be known before the first
recipient is worked out in ``prepare``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings

from channels import addresses, gateway
from channels.addresses import AddressInvalid
from channels.names import ADDRESS_FIELDS, lane_name
from notify import address_hash, steps, templating
from notify.errors import FieldError, InvalidRequest, TemplateError
from notify.ids import new_id
from notify.models import ApiKey, DeliveryKind, DeliveryStatus, Route, TemplateVersion
from notify.orders import Order, Recipient
from notify.rows import DeliveryRow, NotificationRow

#: A client's clock may be behind ours by this much before its ``send_at`` counts as past.
_PAST_SLACK: Final = timedelta(seconds=5)
_NO_OBJECT: Final = "{}"
_MESSAGE: Final = DeliveryKind.MESSAGE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A channel on the way to a recipient: its place, the field of the address it needs, and its lane."""

    number: int
    channel: str
    field: str
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An order that was found good, and what follows from it for every recipient. What all rows have in common is one
    and the same object: COPY's text of it is written once (``loading``)."""

    key: ApiKey
    order: Order
    version: TemplateVersion | None
    category: str
    starts_at: datetime
    deadline: datetime
    step_deadline: datetime | None
    status: DeliveryStatus
    request_id: str
    in_batch: bool
    content_json: str | None
    now: datetime
    application_id: int
    version_id: int | None
    channels: list[str]
    first_steps: tuple[Step, ...]
    first_status: str


def prepare(*, key: ApiKey, order: Order, now: datetime, request_id: str, in_batch: bool = False) -> Prepared:
    """``order`` checked for ``key``. Raises InvalidRequest with the path of every fault."""
    faults = [*_channel_faults(key, order), *_time_faults(order, now)]
    version, category = None, order.category
    if order.template is not None:
        template, version = templating.find_template(application=key.application, key=order.template)
        category = category or template.category
        faults += _uncovered_channels(order, version)
    elif order.content is not None:
        faults += _content_faults(order, order.content)
    if faults:
        raise InvalidRequest("The request has faults; see errors.", errors=faults)
    starts_at = max(order.send_at or now, now)
    status = DeliveryStatus.SCHEDULED if starts_at > now else DeliveryStatus.QUEUED
    return Prepared(
        key=key,
        order=order,
        version=version,
        category=category,
        starts_at=starts_at,
        deadline=_deadline(order, starts_at),
        step_deadline=steps.first_deadline(
            starts_at=starts_at,
            step_deadline_s=gateway.channel_orders(order.channels[0]).step_deadline_s,
            more_steps=order.route == Route.FIRST and len(order.channels) > 1,
        ),
        status=status,
        request_id=request_id,
        in_batch=in_batch,
        content_json=None if in_batch or order.content is None else _dumps(order.content),
        now=now,
        application_id=key.application_id,
        version_id=version.pk if version is not None else None,
        channels=list(order.channels),
        first_steps=_first_steps(order),
        first_status=status.value,
    )


def _first_steps(order: Order) -> tuple[Step, ...]:
    return tuple(
        Step(number=number, channel=channel, field=ADDRESS_FIELDS[channel], lane=lane_name(channel, order.priority))
        for number, channel in enumerate(order.channels if order.route == Route.ALL else order.channels[:1])
    )


def _deadline(order: Order, starts_at: datetime) -> datetime:
    if order.expires_at is not None:
        return order.expires_at
    if order.ttl_s is not None:
        return starts_at + timedelta(seconds=order.ttl_s)
    ttl: timedelta = settings.NOTIFY["DEFAULT_TTL"][order.priority]
    return starts_at + ttl


def _channel_faults(key: ApiKey, order: Order) -> list[FieldError]:
    allowed = key.application.channels
    if not allowed:
        return []
    detail = f"The application may only use {', '.join(allowed)}."
    return [
        FieldError(f"channels[{index}]", "channel_not_allowed", detail)
        for index, channel in enumerate(order.channels)
        if channel not in allowed
    ]


def _time_faults(order: Order, now: datetime) -> list[FieldError]:
    faults = []
    furthest: timedelta = settings.NOTIFY["MAX_SCHEDULE"]
    if order.send_at is not None and order.send_at < now - _PAST_SLACK:
        faults.append(FieldError("send_at", "in_the_past", "This time is over."))
    if order.send_at is not None and order.send_at > now + furthest:
        faults.append(FieldError("send_at", "too_far_ahead", f"At most {furthest.days} days ahead."))
    if order.expires_at is not None:
        if order.expires_at <= max(order.send_at or now, now):
            faults.append(FieldError("expires_at", "in_the_past", "This is over before sending can begin."))
        elif order.expires_at > now + furthest * 2:
            faults.append(FieldError("expires_at", "too_far_ahead", f"At most {furthest.days * 2} days ahead."))
        if order.ttl_s is not None:
            faults.append(FieldError("ttl_s", "not_allowed", "Give expires_at or ttl_s, not both."))
    return faults


def _uncovered_channels(order: Order, version: TemplateVersion) -> list[FieldError]:
    return [
        FieldError(f"channels[{index}]", "no_content_for_channel", f"The template has no content for {channel}.")
        for index, channel in enumerate(order.channels)
        if not version.contents.get(channel)
    ]


def _content_faults(order: Order, content: Mapping[str, str]) -> list[FieldError]:
    faults = []
    if "email" in order.channels:
        if not content.get("subject"):
            faults.append(FieldError("content.subject", "required", "An email needs a subject."))
        if not content.get("text") and not content.get("html"):
            faults.append(FieldError("content.text", "required", "An email needs text or html."))
    if not content.get("text") and any(channel != "email" for channel in order.channels):
        faults.append(FieldError("content.text", "required", "These channels need text."))
    return faults


def personalise(
    prepared: Prepared, recipient: Recipient, *, batch_id: UUID | None
) -> tuple[NotificationRow, list[DeliveryRow]] | list[FieldError]:
    """The rows for one recipient, or what is wrong with it."""
    order = prepared.order
    to: dict[str, str] = {}
    faults: list[FieldError] = []
    for channel in order.channels:
        name = ADDRESS_FIELDS[channel]
        if name not in to:
            _add_address(to, faults, recipient, channel, name)
    params = {**order.params, **recipient.params} if prepared.in_batch else recipient.params or order.params
    if prepared.version is not None:
        faults += _template_faults(prepared, prepared.version, params)
    if faults:
        return faults
    if len(recipient.to) > len(to):
        _add_spare_addresses(to, recipient)
    notification = _notification(prepared, recipient, to, batch_id)
    return notification, [_delivery(prepared, notification, step, to[step.field]) for step in prepared.first_steps]


def _add_address(to: dict[str, str], faults: list[FieldError], recipient: Recipient, channel: str, name: str) -> None:
    given = recipient.to.get(name)
    if not given:
        faults.append(FieldError(f"to.{name}", "required", f"The channel {channel} needs it."))
        return
    try:
        to[name] = addresses.normalize(channel, given)
    except AddressInvalid as error:
        faults.append(FieldError(f"to.{name}", error.code, error.detail))


def _add_spare_addresses(to: dict[str, str], recipient: Recipient) -> None:
    """Adds those that no channel of the order needs: a channel that stands in for one of them may. Nothing was asked to
    be sent there, so one that can't be used is left out and no fault."""
    for channel, name in ADDRESS_FIELDS.items():
        if name not in to and name in recipient.to:
            with suppress(AddressInvalid):
                to[name] = addresses.normalize(channel, recipient.to[name])


def _template_faults(prepared: Prepared, version: TemplateVersion, params: Mapping[str, Any]) -> Sequence[FieldError]:
    order = prepared.order
    faults = templating.check_params(version=version, channels=order.channels, locale=order.locale, params=params)
    if faults:
        return faults
    found = []
    for channel in order.channels:
        # Rendered once now, so that what can't be rendered is refused while somebody is there to hear it.
        try:
            templating.render(version=version, channel=channel, locale=order.locale, params=params)
        except TemplateError as error:
            found.append(FieldError("params", "template_error", f"{channel}: {error.detail}"))
    return found


def _notification(
    prepared: Prepared, recipient: Recipient, to: dict[str, str], batch_id: UUID | None
) -> NotificationRow:
    order = prepared.order
    own_params = recipient.params if prepared.in_batch else recipient.params or order.params
    own_metadata = recipient.metadata if prepared.in_batch else recipient.metadata or order.metadata
    return NotificationRow(
        id=new_id(),
        application_id=prepared.application_id,
        batch_id=batch_id,
        template_version_id=prepared.version_id,
        locale=order.locale,
        priority=order.priority,
        category=prepared.category,
        route=order.route,
        channels=prepared.channels,
        to=_dumps(to),
        params=_dumps(own_params) if own_params else _NO_OBJECT,
        content=prepared.content_json,
        metadata=_dumps(own_metadata) if own_metadata else _NO_OBJECT,
        ref=recipient.ref,
        callback_url=order.callback_url,
        is_test=prepared.key.is_test,
        request_id=prepared.request_id,
        send_at=order.send_at,
        expires_at=prepared.deadline,
        created_at=prepared.now,
    )


def _delivery(prepared: Prepared, notification: NotificationRow, step: Step, address: str) -> DeliveryRow:
    return DeliveryRow(
        id=new_id(),
        notification_id=notification.id,
        application_id=notification.application_id,
        batch_id=notification.batch_id,
        kind=_MESSAGE,
        channel=step.channel,
        lane=step.lane,
        step=step.number,
        address=address,
        payload=None,
        is_test=notification.is_test,
        status=prepared.first_status,
        due_at=prepared.starts_at,
        deadline=prepared.deadline,
        step_deadline=prepared.step_deadline,
        created_at=prepared.now,
        address_hash=address_hash.of(address),
    )


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
