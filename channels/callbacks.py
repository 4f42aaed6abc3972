"""Providers' callbacks: why one is refused, and whether a signature is right."""

from __future__ import annotations

import base64
import hmac
from typing import Final, Literal

from channels.errors import ChannelsError

Method = Literal["secret", "hmac-sha256", "hmac-sha1"]
Encoding = Literal["hex", "base64"]

_DIGESTS: Final = {"hmac-sha256": "sha256", "hmac-sha1": "sha1"}


class CallbackRefused(ChannelsError):
    """A callback that is not believed. Its text holds nothing of what came."""


class NobodyListens(CallbackRefused):
    """There is no provider of this name, or it is none that reports."""


class CallbackForged(CallbackRefused):
    """Its signature is missing, wrong or too old: whoever sent it is not our provider."""


class CallbackUnreadable(CallbackRefused):
    """Its signature is right, and what it says can't be read."""


def sign(content: bytes, *, secret: str, method: Method, encoding: Encoding = "hex") -> str:
    """What a provider that shares ``secret`` with us puts beside ``content``."""
    if method == "secret":
        return secret
    digest = hmac.digest(secret.encode(), content, _DIGESTS[method])
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def is_signed(content: bytes, signature: str, *, secret: str, method: Method, encoding: Encoding = "hex") -> bool:
    """Whether ``signature`` is right; how long this takes tells nothing of what would have been."""
    expected = sign(content, secret=secret, method=method, encoding=encoding)
    given = signature.lower() if encoding == "hex" and method != "secret" else signature
    return bool(secret) and hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
