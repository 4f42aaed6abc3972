"""The inbox: messages become rows of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, connections, router

from channels.adapters.base import Adapter, AdapterConfig, Answer, parse_config
from channels.errors import MessageRejected, ProviderError, RecipientRejected, Unavailable
from channels.models import InboxMessage
from channels.types import OutboundMessage, SendReceipt

#: The inbox has the message the moment it has the row.
_RECEIPT: Final = SendReceipt(delivered=True)
#: What the content of one of several messages is to blame for.
_UNSTORABLE: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError, RecursionError)
_META: Final[Any] = InboxMessage._meta
_MAX_USER_ID: Final[int] = _META.get_field("user_id").max_length
_MAX_SUBJECT: Final[int] = _META.get_field("subject").max_length


class InappAdapter(Adapter):
    """Writes a batch of messages as one statement. A message that is there already stays as it is."""

    batch_size = 200

    def setup(self, config: dict[str, Any]) -> None:
        """There is nothing to configure."""
        parse_config(AdapterConfig, config)

    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """One row."""
        (_message, answer) = next(iter(self.send_batch([message], timeout=timeout)))
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    def send_batch(self, messages: Iterable[OutboundMessage], *, timeout: float) -> Iterator[Answer]:
        """All rows at once; one by one when the database refuses one of them, to find out which. ``timeout`` is kept by
        the connection's own ``statement_timeout``: writing again is harmless, so nothing here is ever unknown."""
        rows: list[tuple[OutboundMessage, InboxMessage]] = []
        now = datetime.now(UTC)
        for message in messages:
            fault = _fault(message)
            if fault is None:
                rows.append((message, _row(message, now=now)))
            else:
                yield message, fault
        try:
            _write([row for _message, row in rows])
        except _UNSTORABLE as error:
            if len(rows) == 1:
                yield rows[0][0], MessageRejected(f"the inbox can't store this: {_reason(error)}")
            else:
                for message, _kept in rows:
                    yield from self.send_batch([message], timeout=timeout)
        except DatabaseError as error:
            for message, _kept in rows:
                yield message, Unavailable(f"the database did not take it: {_reason(error)}")
        else:
            for message, _kept in rows:
                yield message, _RECEIPT

    def close(self) -> None:
        """Connections belong to the threads that made them."""


def _write(rows: list[InboxMessage]) -> None:
    """Inserts ``rows``, on a connection that is known to be good, and lets go of one that has turned out not to be.
    This runs in threads of a pool: no request's end will ever do it."""
    if not rows:
        return
    connection = connections[router.db_for_write(InboxMessage)]
    ours = not connection.in_atomic_block
    if ours:
        connection.close_if_unusable_or_obsolete()
    try:
        InboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
    except (OperationalError, InterfaceError):
        if ours:
            connection.close()
        raise


def _row(message: OutboundMessage, *, now: datetime) -> InboxMessage:
    return InboxMessage(
        id=message.id,
        application=message.application,
        user_id=message.to,
        subject=message.subject,
        text=message.text,
        html=message.html,
        category=message.category,
        metadata=dict(message.metadata),
        created_at=now,
    )


def _fault(message: OutboundMessage) -> ProviderError | None:
    """Why the inbox can't have this message, where that can be told without asking the database."""
    if not message.to or len(message.to) > _MAX_USER_ID or "\x00" in message.to:
        return RecipientRejected("this is not the id of a user")
    if len(message.subject) > _MAX_SUBJECT:
        return MessageRejected(f"the subject is longer than {_MAX_SUBJECT} characters")
    return None


def _reason(error: Exception) -> str:
    """The first line of what the database said: the rest may quote the row."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
