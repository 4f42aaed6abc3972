"""The sandbox: a provider that behaves as its configuration says. Shipped, not a test's: the demo, drills and the bench
run on it, and test keys only ever reach it.

In process by default, where it costs next to nothing; with ``base_url`` it hands over to the sandbox server
(``manage.py sandbox``) by HTTP, and then it is that server's behaviour that counts.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from django.conf import settings
from pydantic import Field, SecretStr, field_validator

from channels.adapters import callback as callbacks
from channels.adapters.base import Adapter, AdapterConfig, Answer, ReportWithin, parse_config
from channels.adapters.callback import Callback, Signature
from channels.adapters.http import is_http_url
from channels.adapters.http_sms import HttpSmsAdapter
from channels.callbacks import CallbackForged
from channels.errors import (
    ConfigurationError,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.sandbox import reporter, reports
from channels.sandbox.behaviour import ErrorCode
from channels.sandbox.journal import Entry, Journal
from channels.sandbox.reporter import Pending
from channels.types import CallbackRequest, DeliveryEvent, OutboundMessage, SendReceipt

ERRORS: Final[dict[str, type[ProviderError]]] = {
    kind.code: kind
    for kind in (Unavailable, Throttled, RecipientRejected, MessageRejected, OutcomeUnknown, Misconfigured)
}
#: How the sandbox server's answers are read.
_SERVER: Final[dict[str, Any]] = {
    "body": '{"id": {{ id | json }}, "channel": {{ channel | json }}, "to": {{ to | json }},'
    ' "subject": {{ subject | json }}, "text": {{ text | json }}%s}',
    "success": {"path": "code", "equals": 0},
    "message_id": "data.id",
    "errors": {"path": "code", "detail": "message", "recipient": [1001], "message": [1002]},
}
#: How its reports are read: as ``channels.sandbox.reports`` writes them.
_CALLBACK: Final = Callback(
    signature=Signature(header=reports.SIGNATURE, timestamp=reports.TIMESTAMP),
    reports="reports",
    message_id="id",
    status="status",
    delivered=[reports.DELIVERED],
    pending=[reports.ACCEPTED],
    detail="detail",
    at="at",
)


class SandboxConfig(AdapterConfig):
    """How the provider behaves. Rates are shares of all messages, from 0 to 1."""

    latency_ms: float = Field(default=0, ge=0, le=600_000)
    jitter_ms: float = Field(default=0, ge=0, le=600_000, description="Up to this much more, evenly spread.")
    error_rate: float = Field(default=0, ge=0, le=1)
    error: ErrorCode = Field(default="unavailable", description="What the failing share fails with.")
    retry_after: float | None = Field(default=None, ge=0, description="Seconds that failures ask us to wait.")
    timeout_rate: float = Field(default=0, ge=0, le=1, description="The share that is taken and never answered.")
    receipts: Literal["none", "instant", "later"] = Field(
        default="none", description="Whether a yes means delivered (instant), or a report follows (later)."
    )
    receipt_delay_ms: float = Field(default=500, ge=0, le=3_600_000, description="How much later.")
    report_within_s: ReportWithin = 0
    undelivered_rate: float = Field(default=0, ge=0, le=1, description="What share is reported as not delivered.")
    callback_secret: SecretStr | None = Field(
        default=None, description="What its reports are signed with. Unset: what this platform's sandbox signs with."
    )
    seed: int | None = Field(default=None, description="Makes one thread's sequence of failures repeat itself.")
    journal: bool | None = Field(default=None, description="Writes down what was taken. Unset: as the platform says.")
    base_url: str = Field(default="", description="The sandbox server to hand over to.")
    name: str = Field(
        default="", pattern=r"^[a-z0-9_-]{0,64}$", description="Its name there; by default the provider's."
    )

    @field_validator("receipts", mode="before")
    @classmethod
    def read_flag(cls, value: object) -> object:
        """``true`` and ``false`` are understood too."""
        return {True: "later", False: "none"}[value] if isinstance(value, bool) else value

    @field_validator("base_url")
    @classmethod
    def check_base_url(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("write an absolute http:// or https:// URL")
        return value


class SandboxAdapter(Adapter):
    """Plays a provider."""

    config_schema: ClassVar[type[AdapterConfig]] = SandboxConfig

    def setup(self, config: dict[str, Any]) -> None:
        """Checks the configuration, and decides between playing and handing over."""
        self._config = parsed = parse_config(SandboxConfig, config)
        self._random = random.Random(parsed.seed)
        self._closed = threading.Event()
        self._journal = _journal(parsed, provider=self.provider)
        self._waits = bool(parsed.latency_ms or parsed.jitter_ms or parsed.timeout_rate)
        # Only a provider that answers at once can be asked for many at once without the last waiting for the first.
        self.batch_size = 1 if self._waits or parsed.base_url else 200
        self._server = self._remote(parsed) if parsed.base_url else None

    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """One message, after its latency."""
        if self._server is not None:
            # Its server's adapter reads no reports: this one does.
            return replace(self._server.send(message, timeout=timeout), receipts=self._config.receipts == "later")
        verdict = self._decide()
        if self._waits:
            verdict = self._wait(verdict, timeout=timeout)
        self._take([message] if verdict is None or isinstance(verdict, OutcomeUnknown) else [])
        if verdict is not None:
            self._report_silently([(message, verdict)])
            raise verdict
        return self._receipt(message)

    def send_batch(self, messages: Iterable[OutboundMessage], *, timeout: float) -> Iterator[Answer]:
        """A provider that answers at once takes the whole batch at once; others get one after the other."""
        if self._waits or self._server is not None:
            yield from super().send_batch(messages, timeout=timeout)
            return
        pairs = [(message, self._decide() if self._config.error_rate else None) for message in messages]
        try:
            self._take([one for one, verdict in pairs if verdict is None or isinstance(verdict, OutcomeUnknown)])
        except Unavailable as error:
            pairs = [(one, verdict or error) for one, verdict in pairs]
        else:
            self._report_silently(pairs)
        for message, verdict in pairs:
            yield message, self._receipt(message) if verdict is None else verdict

    @property
    def takes_callbacks(self) -> bool:
        """Where reports follow, or a secret was agreed on for those that still come."""
        return self._config.receipts == "later" or self._config.callback_secret is not None

    def parse_callback(self, request: CallbackRequest) -> list[DeliveryEvent]:
        """What its reports say."""
        if not self.takes_callbacks:
            raise CallbackForged("this provider has no callbacks")
        return callbacks.read(request, _CALLBACK, secret=self._secret, now=datetime.now(UTC))

    @property
    def _secret(self) -> str:
        agreed = self._config.callback_secret
        return reports.shared_secret(self.provider) if agreed is None else agreed.get_secret_value()

    def close(self) -> None:
        """Ends the waits of messages under way, and the connections to the server."""
        self._closed.set()
        if self._server is not None:
            self._server.close()

    def _decide(self) -> ProviderError | None:
        """What becomes of the next message."""
        config = self._config
        drawn = self._random.random()
        if drawn < config.timeout_rate:
            return OutcomeUnknown("the sandbox does not answer")
        if drawn < config.timeout_rate + config.error_rate:
            return ERRORS[config.error](f"the sandbox says {config.error}", retry_after=config.retry_after)
        return None

    def _wait(self, verdict: ProviderError | None, *, timeout: float) -> ProviderError | None:
        """Lets the latency pass, without holding a processor; what takes longer than ``timeout`` has no known end."""
        config = self._config
        seconds = (config.latency_ms + config.jitter_ms * self._random.random()) / 1000
        silent = isinstance(verdict, OutcomeUnknown) or seconds >= timeout
        self._closed.wait(timeout if silent else seconds)
        return OutcomeUnknown("the sandbox did not answer in time") if silent else verdict

    def _take(self, messages: Sequence[OutboundMessage]) -> None:
        """Writes down what was taken, before anybody is told. Raises Unavailable when it can't: then it was not."""
        if self._journal is None or not messages:
            return
        try:
            self._journal.append(Entry(str(message.id), message.channel, message.to) for message in messages)
        except OSError as error:
            raise Unavailable(f"the sandbox can't write its journal: {error.strerror}") from None

    def _receipt(self, message: OutboundMessage) -> SendReceipt:
        told = self._config.receipts
        if told == "later":
            self._report(message)
        return SendReceipt(provider_message_id=str(message.id), delivered=told == "instant", receipts=told == "later")

    def _report_silently(self, verdicts: Iterable[tuple[OutboundMessage, ProviderError | None]]) -> None:
        """What was taken without an answer is reported all the same."""
        if self._config.receipts == "later":
            for message, verdict in verdicts:
                if isinstance(verdict, OutcomeUnknown):
                    self._report(message)

    def _report(self, message: OutboundMessage) -> None:
        """Has it reported, where there is somebody to report to. The sandbox's server reports by itself."""
        delay_s = self._config.receipt_delay_ms / 1000
        undelivered = self._config.undelivered_rate and self._random.random() < self._config.undelivered_rate
        reporter.shared().add(
            Pending(provider=self.provider, secret=self._secret, id=str(message.id), delivered=not undelivered),
            delay_s=delay_s,
        )

    def _remote(self, config: SandboxConfig) -> HttpSmsAdapter:
        name = config.name or self.provider
        later = config.receipts == "later"
        asked = f', "report_as": "{self.provider}"' if later else ""
        asked += ', "report_ours": true' if later and config.report_within_s else ""
        described = {**_SERVER, "body": _SERVER["body"] % asked, "url": f"/{{{{ channel }}}}/{name}/send"}
        described["base_url"] = config.base_url
        return HttpSmsAdapter(provider=self.provider, config=described, concurrency=self.concurrency)


def _journal(config: SandboxConfig, *, provider: str) -> Journal | None:
    """Where this provider's journal is, if it keeps one. The server keeps its own of what is handed over to it."""
    directory: Path | None = settings.CHANNELS["SANDBOX_JOURNAL"]
    if config.journal is False or config.base_url or (directory is None and not config.journal):
        return None
    if not provider or "/" in provider or provider.startswith("."):
        raise ConfigurationError([("journal", "the provider's name can't be a file's name")])
    return Journal.of(Path(directory or settings.DATA_DIR / "sandbox"), provider)
