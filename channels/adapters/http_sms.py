"""The generic gateway: any provider that takes a message as one HTTP request, described in its configuration.

``url``, header values and ``body`` are Liquid (``channels.adapters.liquid``); they see NAMES below. Values are escaped
for the place they stand in. The least that works is ``{"url": "https://…"}``: a POST of ``{"id", "to", "text"}``.

What an answer means, in this order: a code listed in ``errors``; the status, unless 2xx; ``success``. Without
``success`` every 2xx is a yes. With it:

- the value at its path is the right one: yes;
- another value: the provider said no for a reason nobody mapped. That counts as its fault and may be retried
  (``Unavailable``): most such codes are about accounts, balances and their own troubles;
- no such value, or no JSON at all: nobody knows (``OutcomeUnknown``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

from liquid.template import BoundTemplate
from pydantic import Field, SecretStr, field_validator, model_validator

from channels.adapters import callback as callbacks
from channels.adapters import liquid
from channels.adapters.base import Adapter, AdapterConfig, ReportWithin, parse_config
from channels.adapters.callback import Callback
from channels.adapters.http import HttpClient, HttpConfig, check_headers, is_http_url, join_url
from channels.adapters.verdict import Errors, Success, check_path, judge
from channels.callbacks import CallbackForged
from channels.errors import ConfigurationError, MessageRejected
from channels.types import CallbackRequest, DeliveryEvent, OutboundMessage, SendReceipt

#: What templates see: the message, the configured ``token``, and ``now`` (ISO) and ``timestamp`` (seconds) of the call.
NAMES: Final = (
    *("id", "to", "text", "subject", "html", "params", "metadata"),
    *("channel", "priority", "category", "locale", "application", "token", "now", "timestamp"),
)
DEFAULT_BODY: Final = '{"id": {{ id | json }}, "to": {{ to | json }}, "text": {{ text | json }}}'
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class HttpSmsConfig(HttpConfig):
    """How the gateway is called, and how its answers are read."""

    url: str = Field(default="", description="Liquid is allowed after the host. Relative to base_url, if that is set.")
    method: Literal["POST", "GET", "PUT"] = "POST"
    token: SecretStr | None = Field(default=None, description="Sent as a bearer token, and seen by templates.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Liquid is allowed in the values.")
    body: str | None = Field(default=None, description="Liquid. By default JSON with id, to and text.")
    content_type: str = "application/json"
    success: Success | None = None
    message_id: str | None = Field(default=None, description="Where in the answer the provider's id is.")
    errors: Errors | None = None
    receipts: bool = Field(
        default=False, description="Whether the provider reports deliveries later. Only where callback is set."
    )
    callback: Callback | None = Field(default=None, description="How its reports are read, where they come to us.")
    callback_secret: SecretStr | None = Field(default=None, description="What its reports are signed with.")
    report_within_s: ReportWithin = 0

    check_message_id = field_validator("message_id")(check_path)

    @field_validator("method", mode="before")
    @classmethod
    def upper_method(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def check_whole(self) -> HttpSmsConfig:
        if not (self.url or self.base_url):
            raise ValueError("url is required")
        authority = _AUTHORITY.match(self.url)
        host = authority[0] if authority else self.base_url
        if not is_http_url(host) or "{{" in host or "{%" in host:
            raise ValueError("url must start with http:// or https:// and a host without Liquid, or base_url be set")
        if self.method == "GET" and self.body is not None:
            raise ValueError("a GET has no body: put the values into the url")
        if self.method == "GET" and "{{" not in self.url:
            raise ValueError("a GET has no body: the url must hold {{ to }} and {{ text }}")
        if self.errors and not (self.errors.path or self.success):
            raise ValueError("errors needs a path, or success to take it from")
        return self

    @model_validator(mode="after")
    def check_callback(self) -> HttpSmsConfig:
        if self.callback is None:
            if self.report_within_s:
                raise ValueError("report_within_s needs callback: what nobody can hear is not worth waiting for")
            return self
        if not (self.callback_secret and self.callback_secret.get_secret_value()):
            raise ValueError("callback needs callback_secret: anybody could say that a message was delivered")
        if bool(self.callback.signature.header) == bool(self.callback.signature.query):
            raise ValueError("callback.signature is in a header or in the query: name one of them")
        if self.callback.signature.query and self.callback.signature.timestamp:
            raise ValueError("callback.signature: a timestamp goes with a header")
        return self


class HttpSmsAdapter(Adapter):
    """Carries a message by one HTTP request."""

    config_schema: ClassVar[type[AdapterConfig]] = HttpSmsConfig

    def setup(self, config: dict[str, Any]) -> None:
        """Checks the configuration, parses its templates, and makes the connection pool."""
        self._config = parsed = parse_config(HttpSmsConfig, config)
        self._token = parsed.token.get_secret_value() if parsed.token else ""
        headers = {name: value.get_secret_value() for name, value in parsed.headers.items()}
        sources = {f"headers.{name}": (value, liquid.ESCAPE_NOTHING) for name, value in headers.items()}
        sources["url"] = (parsed.url, liquid.ESCAPE_URL)
        if parsed.method != "GET":
            body = DEFAULT_BODY if parsed.body is None else parsed.body
            sources["body"] = (body, liquid.escape_for(parsed.content_type))
        self._templates = _parse_all(sources)
        secrets = [self._token, *headers.values(), *(word for value in headers.values() for word in value.split())]
        self._client = HttpClient(parsed, concurrency=self.concurrency, secrets=secrets)

    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """One request, and what its answer says."""
        url, headers, body = self._write(message, now=datetime.now(UTC))
        response = self._client.request(
            self._config.method,
            url,
            headers=headers,
            body=body,
            timeout=timeout,
            body_matters=self._config.success is not None,
        )
        receipt = judge(response, self._config)
        return receipt if self.takes_callbacks else replace(receipt, receipts=False)

    @property
    def takes_callbacks(self) -> bool:
        """Where ``callback`` says how to read them."""
        return self._config.callback is not None

    @property
    def callback_answer(self) -> str:
        """As ``callback`` says."""
        return self._config.callback.answer if self._config.callback is not None else ""

    def parse_callback(self, request: CallbackRequest) -> list[DeliveryEvent]:
        """Its reports, read as the configuration says; without ``callback`` there are none to believe."""
        if self._config.callback is None or self._config.callback_secret is None:
            raise CallbackForged("this provider has no callbacks")
        secret = self._config.callback_secret.get_secret_value()
        return callbacks.read(request, self._config.callback, secret=secret, now=datetime.now(UTC))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _write(self, message: OutboundMessage, *, now: datetime) -> tuple[str, dict[str, str], bytes | None]:
        """The request for ``message``: URL, headers, body. Raises MessageRejected when it can't be written."""
        values = _values(message, token=self._token, now=now)
        try:
            filled = {path: liquid.render(template, values) for path, template in self._templates.items()}
            body = filled["body"].encode() if "body" in filled else None
        except liquid.TemplateError as fault:
            raise MessageRejected(f"the provider's template can't be filled in: {fault}") from None
        except UnicodeEncodeError:
            raise MessageRejected("the message holds characters that are no text (lone surrogates)") from None
        headers = {path.partition(".")[2]: text for path, text in filled.items() if path.startswith("headers.")}
        present = {name.lower() for name in headers}
        if self._token and "authorization" not in present:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None and "content-type" not in present:
            headers["Content-Type"] = self._config.content_type
        check_headers(headers)
        return join_url(self._config.base_url, filled["url"]), headers, body


def _parse_all(sources: Mapping[str, tuple[str, Callable[[str], str]]]) -> dict[str, BoundTemplate]:
    templates, faults = {}, []
    for path, (source, escape) in sources.items():
        try:
            templates[path] = liquid.parse(source, escape=escape, names=NAMES)
        except liquid.TemplateError as fault:
            faults.append((path, str(fault)))
    if faults:
        raise ConfigurationError(faults)
    return templates


def _values(message: OutboundMessage, *, token: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "to": message.to,
        "text": message.text,
        "subject": message.subject,
        "html": message.html,
        "params": dict(message.params),
        "metadata": dict(message.metadata),
        "channel": message.channel,
        "priority": message.priority,
        "category": message.category,
        "locale": message.locale,
        "application": message.application,
        "token": token,
        "now": now.isoformat(timespec="seconds"),
        "timestamp": int(now.timestamp()),
    }
