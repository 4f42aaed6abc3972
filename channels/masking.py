"""Personal data as it may be shown: enough to recognise, too little to use.

Pure functions, used by the API, the admin, the logs and Sentry alike.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64})@((?:[\w-]+\.)+[\w-]{2,})", re.UNICODE)
_PHONE = re.compile(r"(?<![\w.:-])\+\d{7,15}(?!\w)|(?<![\w.:+-])1[3-9]\d{9}(?![\w.-])")
_BEARER = re.compile(r"(?i)\b(bearer\s+|gt_(?:live|test)_\w{4})[\w.~+/=-]+")


def mask_email(address: str) -> str:
    """``alice@example.com`` -> ``a***e@example.com``."""
    local, at, domain = address.rpartition("@")
    if not at:
        return mask_token(address)
    shown = f"{local[0]}***{local[-1]}" if len(local) > 2 else "***"
    return f"{shown}@{domain}"


def mask_phone(number: str) -> str:
    """``+8613800001234`` -> ``+86*******1234``: the country and the last four."""
    if len(number) < 8:
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def mask_url(url: str) -> str:
    """Only scheme and host: paths and queries of webhooks carry secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}/***" if host else "***"


def mask_token(token: str) -> str:
    """``abcdef123456`` -> ``ab***56``."""
    return f"{token[:2]}***{token[-2:]}" if len(token) > 6 else "***"


_BY_CHANNEL = {
    "email": mask_email,
    "sms": mask_phone,
    "voice": mask_phone,
    "webhook": mask_url,
}


def mask_address(channel: str, address: str) -> str:
    """An address of ``channel`` as it may be shown to somebody without the permission to see it."""
    return _BY_CHANNEL.get(channel, mask_token)(address)


def mask_text(text: str) -> str:
    """Free text (a log line, an exception) with the addresses, numbers and keys in it masked."""
    if "@" in text:
        text = _EMAIL.sub(lambda found: mask_email(found[0]), text)
    text = _PHONE.sub(lambda found: mask_phone(found[0]), text)
    lowered = text.lower()
    if "bearer" in lowered or "gt_" in lowered:
        text = _BEARER.sub(lambda found: f"{found[1]}***", text)
    return text
