"""Webhooks by the conventions of Standard Webhooks: signed, identified, never redirected.

The address is a server, and its failures are its owner's. None of them is a fault of this provider, which posts to
thousands of others; and none but 410 Gone ends the attempts, since what answers 404 or 401 today is usually an
unfinished deployment or a secret being changed. So:

- 2xx: delivered. 410, and addresses that we may not send to (``channels.ssrf``): ``RecipientRejected``;
- 429: ``Throttled``; no answer, or a gateway's 504: ``EndpointSilent``, whose resending is harmless to a receiver that
  looks at ``webhook-id``; everything else: ``EndpointUnavailable``;
- an endpoint that is slow or dead does not keep the others waiting: ``channels.adapters.endpoints``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django.core.serializers.json import DjangoJSONEncoder
from pydantic import Field, SecretStr, field_validator
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from channels import ssrf
from channels.adapters.base import Adapter, AdapterConfig, parse_config
from channels.adapters.endpoints import Endpoints
from channels.adapters.http import HttpClient, HttpConfig, Response, join_url, retry_after
from channels.errors import (
    EndpointSilent,
    EndpointUnavailable,
    ForbiddenUrl,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.types import OutboundMessage, SendReceipt

#: How many endpoints' connections are kept.
_HOSTS: Final = 64


def signer(secret: str) -> Webhook:
    """What signs with ``secret`` (``whsec_`` and base64). Raises ValueError when it is no such secret."""
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError, RuntimeError):
        raise ValueError("write whsec_ and the secret in base64") from None


class WebhookConfig(HttpConfig):
    """``signing_secret`` signs what brings no secret of its own; without either the request goes unsigned."""

    signing_secret: SecretStr | None = Field(default=None, description="whsec_ and the secret in base64.")
    per_host: int = Field(
        default=0, ge=0, le=256, description="Calls at once to one host at most. 0: a quarter of all calls at once."
    )

    @field_validator("signing_secret")
    @classmethod
    def check_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signer(value.get_secret_value())
        return value


class WebhookAdapter(Adapter):
    """Posts messages, and the platform's own status events, to addresses that applications gave."""

    config_schema: ClassVar[type[AdapterConfig]] = WebhookConfig

    def setup(self, config: dict[str, Any]) -> None:
        """Checks the configuration and makes the connection pool."""
        self._config = parsed = parse_config(WebhookConfig, config)
        self._secret = parsed.signing_secret.get_secret_value() if parsed.signing_secret else ""
        self._endpoints = Endpoints(places=parsed.per_host or max(1, self.concurrency // 4))
        self._client = HttpClient(
            parsed, concurrency=self.concurrency, guarded=True, hosts=_HOSTS, secrets=[self._secret]
        )

    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """One signed POST."""
        url = join_url(self._config.base_url, message.to)
        now = datetime.now(UTC)
        body = write_body(message, now=now)
        headers = self._headers(message, body, now=now)
        try:
            ssrf.check_url(url)
            with self._endpoints.visit(url):
                response = self._client.request(
                    "POST", url, headers=headers, body=body.encode(), timeout=timeout, body_matters=False
                )
        except ForbiddenUrl as error:
            raise RecipientRejected(f"we do not send to this address: {error.detail}") from None
        except OutcomeUnknown as error:
            raise EndpointSilent(error.detail) from None
        except EndpointUnavailable:
            raise  # not asked (channels.adapters.endpoints)
        except Unavailable as error:
            raise EndpointUnavailable(error.detail) from None
        except Misconfigured as error:
            raise RecipientRejected(error.detail) from None
        return judge(response, now=now)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _headers(self, message: OutboundMessage, body: str, *, now: datetime) -> dict[str, str]:
        identifier = str(message.id)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        secret = message.signing_secret or self._secret
        if secret:
            try:
                headers["webhook-signature"] = signer(secret).sign(msg_id=identifier, timestamp=now, data=body)
            except ValueError as error:
                raise MessageRejected(f"the application's signing secret can't be used: {error}") from None
        return headers


def write_body(message: OutboundMessage, *, now: datetime) -> str:
    """The JSON that is posted, and signed to the letter. ASCII only, so that no receiver can read it wrongly."""
    if message.payload is not None:
        content: dict[str, Any] = dict(message.payload)
    else:
        data: dict[str, Any] = {"subject": message.subject, "text": message.text}
        if message.html:
            data["html"] = message.html
        data |= {"params": dict(message.params), "metadata": dict(message.metadata)}
        content = {"type": "notification", "id": str(message.id), "timestamp": now.isoformat(), "data": data}
    try:
        return json.dumps(content, cls=DjangoJSONEncoder, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MessageRejected(f"the message can't be written as JSON: {error}") from None


def judge(response: Response, *, now: datetime) -> SendReceipt:
    """What an endpoint's answer means (the module's text says why)."""
    if response.ok:
        return SendReceipt(delivered=True, detail=f"HTTP {response.status}")
    said = ": ".join(part for part in (f"HTTP {response.status}", response.note) if part)
    wait, _asked = retry_after(response.headers, now=now)
    if response.status == 410:
        raise RecipientRejected(said)
    if response.status == 429:
        raise Throttled(said, retry_after=wait)
    if response.status == 504:
        raise EndpointSilent(said, retry_after=wait)
    if 300 <= response.status < 400:
        raise EndpointUnavailable(f"{said} (redirects are not followed: the address itself has to be changed)")
    raise EndpointUnavailable(said, retry_after=wait)
