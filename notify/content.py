"""What a claimed delivery says: its notification's content, rendered for its channel."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from uuid import UUID

import orjson

from channels.errors import MessageRejected
from channels.names import split_lane
from channels.types import OutboundMessage
from notify import signing_secrets, templating
from notify.databases import DATABASE_AWAY
from notify.errors import TemplateError
from notify.facts import Facts
from notify.models import Batch, DeliveryKind, Notification
from notify.rows import Claimed

logger = logging.getLogger(__name__)

_BATCHES_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class _Common:
    """What the notifications of a batch share."""

    content: Mapping[str, str] | None
    params: Mapping[str, Any]
    metadata: Mapping[str, Any]


class _Batches:
    """The last batches seen by this process. They never change, so they are never stale."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, _Common] = OrderedDict()
        self._lock = Lock()

    def get(self, batch_id: UUID) -> _Common:
        with self._lock:
            known = self._kept.get(batch_id)
            if known is not None:
                self._kept.move_to_end(batch_id)
                return known
        content, params, metadata = Batch.objects.values_list("content", "params", "metadata").get(pk=batch_id)
        common = _Common(content, params, metadata)
        with self._lock:
            self._kept[batch_id] = common
            while len(self._kept) > _BATCHES_KEPT:
                self._kept.popitem(last=False)
        return common


_batches = _Batches()

_COLUMNS: Final = (
    "id", "application_id", "application__name", "priority", "category", "route", "channels", "to", "params", "content",
    "template_version_id", "locale", "metadata", "ref", "callback_url", "batch_id", "request_id",
)  # fmt: skip


def facts_of(claimed: Sequence[Claimed]) -> dict[UUID, Facts]:
    """The notifications behind ``claimed``, by id, in one query; what is not stored whole is not among them."""
    ids = {one.notification_id for one in claimed}
    if not ids:
        return {}
    rows = Notification.objects.filter(id__in=ids).values_list(*_COLUMNS)
    found = [Facts(**dict(zip(_FIELDS, row, strict=True))) for row in rows]
    whole = [_with_batch(facts) for facts in found]
    return {facts.id: facts for facts in whole if facts is not None}


_FIELDS: Final = tuple("application" if name == "application__name" else name for name in _COLUMNS)


def reader(claimed: Sequence[Claimed]) -> Callable[[Claimed], Facts | None]:
    """How to get at the facts of each of ``claimed``: read together, or one by one when that fails, so that a row which
    can't be read is nobody's trouble but its own."""
    try:
        known = facts_of(claimed)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception("what is claimed can't be read together")
        return lambda one: facts_of([one]).get(one.notification_id)
    return lambda one: known.get(one.notification_id)


def _with_batch(facts: Facts) -> Facts | None:
    if facts.batch_id is None:
        return facts
    try:
        common = _batches.get(facts.batch_id)
    except Batch.DoesNotExist:
        return None
    return Facts(
        **{
            **{name: getattr(facts, name) for name in _FIELDS},
            "content": facts.content or common.content,
            "params": {**common.params, **facts.params},
            "metadata": {**common.metadata, **facts.metadata},
        }
    )


def compose(*, claimed: Claimed, facts: Facts) -> OutboundMessage:
    """The message to hand over. Raises MessageRejected when the template can't be rendered with what was accepted."""
    _channel, priority = split_lane(claimed.lane)
    if claimed.kind == DeliveryKind.CALLBACK:
        return OutboundMessage(
            id=claimed.id,
            channel=claimed.channel,
            priority=priority,
            to=claimed.address,
            text="",
            deadline=claimed.deadline,
            application=facts.application,
            payload=orjson.loads(claimed.payload or "{}"),
            signing_secret=signing_secrets.of(application_id=facts.application_id),
        )
    subject, text, html = _rendered(claimed.channel, facts)
    return OutboundMessage(
        id=claimed.id,
        channel=claimed.channel,
        priority=priority,
        to=claimed.address,
        subject=subject,
        text=text,
        html=html,
        deadline=min(claimed.deadline, claimed.step_deadline or claimed.deadline),
        application=facts.application,
        category=facts.category,
        locale=facts.locale,
        test=claimed.is_test,
        params=facts.params,
        metadata=facts.metadata,
    )


def can_be_said(facts: Facts, *, channel: str) -> bool:
    """Whether there are words for ``channel``, one that the notification was not accepted for: its template may say
    nothing there, or need more than it was given."""
    try:
        _subject, text, html = _rendered(channel, facts)
    except MessageRejected:
        return False
    return bool(text or (html and channel == "email"))


def _rendered(channel: str, facts: Facts) -> tuple[str, str, str]:
    if facts.template_version_id is None:
        content = facts.content or {}
        return content.get("subject") or "", content.get("text") or "", content.get("html") or ""
    try:
        rendered = templating.render(
            version_id=facts.template_version_id, channel=channel, locale=facts.locale, params=facts.params
        )
    except TemplateError as error:
        raise MessageRejected(f"template: {error.detail}") from error
    return rendered.subject, rendered.text, rendered.html
