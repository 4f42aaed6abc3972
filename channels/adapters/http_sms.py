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

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal

from jsonpath_ng import JSONPath
from jsonpath_ng import parse as parse_path
from liquid.template import BoundTemplate
from pydantic import Field, SecretStr, field_validator, model_validator

from channels.adapters import liquid
from channels.adapters.base import Adapter, AdapterConfig, parse_config
from channels.adapters.http import (
    HttpClient,
    HttpConfig,
    Response,
    check_headers,
    error_for,
    is_http_url,
    join_url,
    retry_after,
)
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
from channels.masking import mask_text
from channels.types import OutboundMessage, SendReceipt

Scalar = str | int | float | bool | None

#: What templates see: the message, the configured ``token``, and ``now`` (ISO) and ``timestamp`` (seconds) of the call.
NAMES: Final = (
    *("id", "to", "text", "subject", "html", "params", "metadata"),
    *("channel", "priority", "category", "locale", "application", "token", "now", "timestamp"),
)
DEFAULT_BODY: Final = '{"id": {{ id | json }}, "to": {{ to | json }}, "text": {{ text | json }}}'
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_KINDS: Final[dict[str, type[ProviderError]]] = {
    "recipient": RecipientRejected,
    "message": MessageRejected,
    "throttled": Throttled,
    "misconfigured": Misconfigured,
    "unavailable": Unavailable,
    "unknown": OutcomeUnknown,
}


@lru_cache(maxsize=256)
def compile_path(path: str) -> JSONPath:
    """A JSON path such as ``data.code`` or ``results[0].status``. Raises ValueError when it is none."""
    try:
        return parse_path(path)
    except Exception as error:  # noqa: BLE001: the parser raises bare Exception
        raise ValueError(f"this is not a JSON path: {error}") from None


def _check_path(value: str | None) -> str | None:
    if value:
        compile_path(value)
    return value


class Success(AdapterConfig):
    """What a yes looks like: the value at ``path`` equals ``equals``, or one of them. ``0`` and ``"0"`` are the same."""

    path: str
    equals: Scalar | list[Scalar]

    check_path = field_validator("path")(_check_path)


class Errors(AdapterConfig):
    """What the provider's own codes mean. ``path`` is where the code is (by default that of ``success``), ``detail``
    where the text for people is."""

    path: str | None = None
    detail: str | None = None
    recipient: list[Scalar] = Field(default_factory=list)
    message: list[Scalar] = Field(default_factory=list)
    throttled: list[Scalar] = Field(default_factory=list)
    misconfigured: list[Scalar] = Field(default_factory=list)
    unavailable: list[Scalar] = Field(default_factory=list)
    unknown: list[Scalar] = Field(default_factory=list)

    check_paths = field_validator("path", "detail")(_check_path)


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
    receipts: bool = Field(default=False, description="Whether the provider reports deliveries later.")

    check_message_id = field_validator("message_id")(_check_path)

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
        return judge(response, self._config)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _write(self, message: OutboundMessage, *, now: datetime) -> tuple[str, dict[str, str], bytes | None]:
        """The request for ``message``: URL, headers, body. Raises MessageRejected when it can't be written."""
        values = _values(message, token=self._token, now=now)
        try:
            filled = {path: liquid.render(template, values) for path, template in self._templates.items()}
            body = filled["body"].encode() if "body" in filled else None
        except liquid.TemplateFault as fault:
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


def judge(response: Response, config: HttpSmsConfig) -> SendReceipt:
    """What an answer means (the module's text has the order). Raises the ProviderError it means, if it is no yes."""
    answer = _parse_json(response.body)
    _raise_mapped(response, answer, config)
    if not response.ok:
        raise error_for(response)
    if config.success is not None:
        found = _find(config.success.path, answer)
        if found is _MISSING:
            raise OutcomeUnknown(f"the answer does not say whether it is a yes: {response.note}")
        wanted = config.success.equals if isinstance(config.success.equals, list) else [config.success.equals]
        if not _among(found, wanted):
            raise Unavailable(f"the provider said no: {_detail(response, answer, config)}")
    identifier = _find(config.message_id, answer)
    return SendReceipt(
        provider_message_id="" if identifier is _MISSING or identifier is None else str(identifier)[:255],
        receipts=config.receipts,
    )


def _parse_all(sources: Mapping[str, tuple[str, Callable[[str], str]]]) -> dict[str, BoundTemplate]:
    templates, faults = {}, []
    for path, (source, escape) in sources.items():
        try:
            templates[path] = liquid.parse(source, escape=escape, names=NAMES)
        except liquid.TemplateFault as fault:
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


_MISSING: Final = object()


def _parse_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _MISSING


def _find(path: str | None, answer: object) -> object:
    """The first value at ``path``, or _MISSING."""
    if path is None or answer is _MISSING:
        return _MISSING
    found = compile_path(path).find(answer)
    return found[0].value if found else _MISSING


def _among(value: object, wanted: list[Scalar]) -> bool:
    """Whether ``value`` is one of ``wanted``; numbers and their spelling are the same, as gateways mix them."""
    return any(value == one and type(value) is type(one) for one in wanted) or any(
        str(value) == str(one) for one in wanted if not isinstance(one, bool) and not isinstance(value, bool)
    )


def _raise_mapped(response: Response, answer: object, config: HttpSmsConfig) -> None:
    errors = config.errors
    if errors is None:
        return
    code = _find(errors.path or (config.success.path if config.success else None), answer)
    if code is _MISSING:
        return
    wait, _asked = retry_after(response.headers, now=datetime.now(UTC))
    for name, kind in _kinds(errors):
        if _among(code, name):
            raise kind(_detail(response, answer, config), retry_after=wait)


def _kinds(errors: Errors) -> Iterator[tuple[list[Scalar], type[ProviderError]]]:
    return ((getattr(errors, name), kind) for name, kind in _KINDS.items())


def _detail(response: Response, answer: object, config: HttpSmsConfig) -> str:
    """The provider's own words for people, if it is known where they are, else the beginning of its answer."""
    words = _find(config.errors.detail if config.errors else None, answer)
    return response.note if words is _MISSING else mask_text(str(words))[:200]
