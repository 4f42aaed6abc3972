"""The HTTP client of every adapter that speaks HTTP, and what its failures mean.

The question behind every failure is whether the provider may have the message. Until the last byte of the request is
with the kernel it can't: ``Unavailable``, and another provider may be tried. From then on only an answer counts, and
its absence is ``OutcomeUnknown``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from pydantic import Field, SecretStr, field_validator
from urllib3.exceptions import HTTPError, LocationValueError, NameResolutionError, SSLError

from channels.adapters import deadline
from channels.adapters.base import AdapterConfig
from channels.adapters.connection import pool_manager
from channels.errors import (
    ConfigurationError,
    ForbiddenUrl,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    Throttled,
    Unavailable,
)
from channels.masking import mask_text

USER_AGENT: Final = "Goutong"
#: As much of an answer as we care to read.
MAX_ANSWER_BYTES: Final = 64 * 1024
#: A longer wait than this is not a wait but a refusal; what was asked stays in the error's text.
MAX_RETRY_AFTER_S: Final = 86_400.0
_MAX_EXCERPT: Final = 200
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

#: Statuses with a meaning of their own; the rest go by their hundreds.
_BY_STATUS: Final[dict[int, type[ProviderError]]] = {
    400: MessageRejected,
    401: Misconfigured,
    402: Misconfigured,  # the account is out of credit
    403: Misconfigured,
    404: Misconfigured,
    405: Misconfigured,
    406: Misconfigured,
    407: Misconfigured,
    408: Unavailable,  # it gave up reading our request
    410: Misconfigured,  # this API is gone
    411: Misconfigured,
    415: Misconfigured,
    421: Unavailable,
    423: Unavailable,
    424: Unavailable,
    425: Unavailable,
    426: Misconfigured,
    428: Misconfigured,
    429: Throttled,
    # A gateway in between handed the request on and heard nothing back (520 and 524 are Cloudflare's).
    504: OutcomeUnknown,
    520: OutcomeUnknown,
    524: OutcomeUnknown,
}
_BY_HUNDRED: Final[dict[int, type[ProviderError]]] = {
    1: OutcomeUnknown,
    3: Misconfigured,  # we follow no redirects: what was meant for one server is not for another
    4: MessageRejected,
    5: Unavailable,
}


class HttpConfig(AdapterConfig):
    """The keys that every adapter speaking HTTP takes."""

    base_url: str = Field(default="", description="Where relative URLs start; for API adapters, another server.")
    proxy: SecretStr | None = Field(default=None, description="An HTTP proxy to go through. The environment's is not.")
    ca_file: str | None = Field(default=None, description="A PEM file of authorities, in place of the system's.")
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60, description="At most this long, within the timeout.")

    @field_validator("base_url")
    @classmethod
    def check_base_url(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("write an absolute http:// or https:// URL")
        return value

    @field_validator("proxy")
    @classmethod
    def check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_http_url(value.get_secret_value()):
            raise ValueError("write an absolute http:// or https:// URL")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: ``body`` has at most MAX_ANSWER_BYTES of it, and nothing of one that announces more; header names are
    in lower case. ``note`` is a short, masked excerpt for people."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    note: str = field(default="")

    @property
    def ok(self) -> bool:
        """Whether the status is a yes."""
        return 200 <= self.status < 300


class HttpClient:
    """A pooled client for one provider, used by several threads at once.

    ``guarded``: the URLs are applications', so only the public internet will do. ``secrets`` are struck out of whatever
    an answer echoes into an error.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        concurrency: int,
        guarded: bool = False,
        hosts: int = 4,
        secrets: Sequence[str] = (),
    ) -> None:
        self._base_url = config.base_url
        self._connect_timeout = config.connect_timeout_s
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 4)
        try:
            self._pool = pool_manager(
                guarded=guarded,
                hosts=hosts,
                connections=concurrency,
                proxy=config.proxy.get_secret_value() if config.proxy else None,
                ca_file=config.ca_file,
            )
        except OSError as error:
            raise ConfigurationError([("ca_file", f"can't be read: {error.strerror or error}")]) from None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
        body_matters: bool = True,
    ) -> Response:
        """Sends one request, all of it within ``timeout`` seconds, and returns whatever was answered.

        ``body_matters`` says that the verdict is in the answer's body, so that a 2xx that breaks off is no answer.
        Raises Unavailable (it can't have the request), OutcomeUnknown (it may), MessageRejected or Misconfigured (the
        request can't be written down), and ForbiddenUrl from a guarded client.
        """
        url = join_url(self._base_url, url)
        if not is_http_url(url):
            raise Misconfigured("the URL is not an http:// or https:// URL with a host")
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        check_headers(headers)
        with deadline.attempt(timeout) as attempt:
            try:
                return self._exchange(method, url, headers, body, timeout, body_matters)
            except ForbiddenUrl:
                raise
            except (LocationValueError, ValueError):
                raise Misconfigured("the URL or the request can't be written in HTTP") from None
            except (HTTPError, OSError) as error:
                raise _transport_error(error, written=attempt.written, peer=_peer(url)) from None

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float, body_matters: bool
    ) -> Response:
        answer = self._pool.urlopen(
            method,
            url,
            body=body,
            headers=headers,
            redirect=False,
            preload_content=False,
            pool_timeout=timeout,
            timeout=urllib3.Timeout(total=timeout, connect=min(timeout, self._connect_timeout)),
        )
        content = self._read(answer, body_matters=body_matters)
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, lowered, content, self._excerpt(content))

    def _read(self, answer: urllib3.BaseHTTPResponse, *, body_matters: bool) -> bytes:
        """As much of an answer's body as we care for: of one that announces more, nothing."""
        try:
            if _announced(answer.headers) > MAX_ANSWER_BYTES:
                answer.close()
                return b""
            content = answer.read(MAX_ANSWER_BYTES + 1)
            if len(content) > MAX_ANSWER_BYTES:
                answer.close()  # the rest would only be read to use the connection again
            return content[:MAX_ANSWER_BYTES]
        except (HTTPError, OSError):
            answer.close()
            if body_matters and 200 <= answer.status < 300:
                raise
            return b""
        finally:
            answer.release_conn()

    def _excerpt(self, body: bytes) -> str:
        text = body[: _MAX_EXCERPT * 2].decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return mask_text(" ".join(text.split()))[:_MAX_EXCERPT]


def error_for(response: Response) -> ProviderError:
    """What a status that is not 2xx means, coming from a provider."""
    kind = _BY_STATUS.get(response.status) or _BY_HUNDRED.get(response.status // 100, OutcomeUnknown)
    wait, asked = retry_after(response.headers, now=datetime.now(UTC))
    parts = [f"HTTP {response.status}", response.note, f"Retry-After: {asked}" if asked else ""]
    return kind(": ".join(part for part in parts if part), retry_after=wait)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> tuple[float | None, str]:
    """The wait in seconds that a Retry-After header asks for (seconds or a date; at most MAX_RETRY_AFTER_S), and the
    header's own words. (None, "") without one, or when it makes no sense."""
    asked = headers.get("retry-after", "").strip()[:64]
    if asked.isascii() and asked.isdigit():
        return min(float(asked), MAX_RETRY_AFTER_S), asked
    try:
        at = parsedate_to_datetime(asked)
    except (TypeError, ValueError, OverflowError):
        return None, ""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), MAX_RETRY_AFTER_S), asked


def join_url(base: str, url: str) -> str:
    """``url``, seen from ``base`` when it is not absolute. A base keeps its path: ``/v2`` + ``/send``: ``/v2/send``."""
    if not base or is_http_url(url):
        return url
    return urljoin(f"{base.rstrip('/')}/", url.lstrip("/")) if url else base


def is_http_url(url: str) -> bool:
    """Whether ``url`` is absolute, with http or https and a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises MessageRejected when a header holds what no header can: a line break above all."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise MessageRejected(f"the header {name[:64]!r} would hold characters that HTTP does not allow")


def _announced(headers: Mapping[str, str]) -> int:
    """How many bytes of a body the headers announce; 0 when they don't say."""
    length = headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else 0


def _peer(url: str) -> str:
    """Whom a URL names, without the credentials it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _transport_error(error: HTTPError | OSError, *, written: bool, peer: str) -> ProviderError:
    # ProtocolError and SSLError carry what really happened as their last argument, the others as their cause.
    inner = error.__cause__ or (error.args[-1] if error.args else None)
    reason = type(inner if isinstance(inner, Exception) else error).__name__
    if written:
        return OutcomeUnknown(f"{peer} was given the message and did not answer ({reason})")
    if isinstance(error, SSLError):
        return Unavailable(f"no TLS connection to {peer} ({inner})")
    if isinstance(error, NameResolutionError):
        return Unavailable(f"the name of {peer} could not be resolved")
    return Unavailable(f"could not reach {peer} ({reason})")
