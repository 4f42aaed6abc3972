"""What crosses the border of this room: plain frozen data, no models, no notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from channels.errors import ProviderError

#: More calls at once than this no provider gets, whatever its configuration says.
MAX_CONCURRENCY: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """One rendered message for one address, ready to be handed to a provider.

    ``id`` is the delivery's id: the same on every attempt, so providers that deduplicate can.
    ``deadline`` is the moment after which handing it over is of no use to anybody.
    ``test`` messages only ever reach the sandbox. ``signing_secret`` is set for status webhooks, which are
    signed with their application's secret, not with a provider's.
    """

    id: UUID
    channel: str
    priority: str
    to: str
    text: str
    deadline: datetime
    subject: str = ""
    html: str = ""
    application: str = ""
    category: str = ""
    locale: str = ""
    test: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None
    signing_secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReceipt:
    """A provider's yes. ``delivered`` is true where its yes means that the person has it (inbox, webhook);
    ``receipts`` where the provider will report the delivery later, so that ``sent`` is not the end."""

    provider_message_id: str = ""
    delivered: bool = False
    receipts: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTry:
    """One conversation with one provider about one message. ``latency_ms`` is the provider's own time, without
    waiting for a free slot. ``reason`` says why this provider was chosen."""

    provider: str
    started_at: datetime
    latency_ms: float
    receipt: SendReceipt | None = None
    error: ProviderError | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of one message in one attempt: the tries, in order, and how it ended.

    ``receipt`` is set when a provider took the message, else ``error`` says why none did; ``error`` may stand with no
    try at all (no provider, rate limited), and then the attempt does not count.
    """

    message: OutboundMessage
    tries: tuple[ProviderTry, ...] = ()
    receipt: SendReceipt | None = None
    error: ProviderError | None = None

    @property
    def provider(self) -> str:
        """The provider that answered last, or an empty string when none was asked."""
        return self.tries[-1].provider if self.tries else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRequest:
    """A provider's callback as it came in: header names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent:
    """What a provider's callback says of one message."""

    provider_message_id: str
    delivered: bool
    at: datetime
    detail: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
