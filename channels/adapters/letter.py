"""The common email, written by hand: the standard library's email package parses and folds every header anew, and that
was two fifths of an email worker's time (docs/performance.md). What is not common is left to it (``mime``).

Common is: addresses in ASCII that fit into a line. Text in any language is.
"""

from __future__ import annotations

import re
from base64 import b64encode, encodebytes
from collections.abc import Iterator
from datetime import datetime
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

_LINE: Final = 78
#: Room for text in an encoded word, also in the first line: 76 characters less what stands around it, in base64.
_WORD: Final = (76 - len("Subject: =?utf-8?b??=")) // 4 * 3
_PLAIN_SUBJECT: Final = re.compile(r"(?!.*=\?)[\x21-\x7e]+(?: [\x21-\x7e]+)*")
#: Addresses that need no quotes and no folding.
_PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")


def write(
    *,
    identifier: UUID,
    subject: str,
    text: str,
    html: str,
    sender: Address,
    recipient: Address,
    reply_to: Address | None,
    message_id: str,
    now: datetime,
) -> bytes | None:
    """The email, lines ending in CRLF and all of it ASCII; None when it is not a common one. ``subject`` and texts were
    checked: they hold nothing that can't be part of an email."""
    to = recipient.addr_spec
    if len(to) + len("To: ") > _LINE or not _PLAIN_ADDRESS.fullmatch(to) or len(message_id) + 12 > _LINE:
        return None
    head = _head(str(sender), "" if reply_to is None else str(reply_to))
    if head is None:
        return None
    boundary = f"=_{identifier.hex}"
    parts = [_part("plain", text), *([_part("html", html)] if html else [])]
    if any(boundary.encode() in part for part in parts):
        return None
    lines = [
        head,
        f"To: {to}\r\n{_subject(subject)}\r\nDate: {format_datetime(now)}\r\nMessage-ID: {message_id}\r\n".encode(),
        b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",  # RFC 3834: holiday replies are not for us
    ]
    if len(parts) == 1:
        return b"".join([*lines, *parts])
    # The line break before a fence belongs to the fence.
    fence = f"\r\n--{boundary}".encode()
    lines.append(f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode())
    return b"".join([*lines, *(fence + b"\r\n" + part for part in parts), fence, b"--\r\n"])


@lru_cache(maxsize=256)
def _head(sender: str, reply_to: str) -> bytes | None:
    """From and Reply-To, which a provider's emails have in common; None where they are not ASCII."""
    named = {"From": sender, **({"Reply-To": reply_to} if reply_to else {})}
    folded = "".join(SMTP.fold(name, SMTP.header_store_parse(name, value)[1]) for name, value in named.items())
    return folded.encode() if folded.isascii() else None


def _subject(subject: str) -> str:
    if not subject:
        return "Subject: "
    if len(subject) + len("Subject: ") <= _LINE and _PLAIN_SUBJECT.fullmatch(subject):
        return f"Subject: {subject}"
    return "Subject: " + "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in _words(subject.encode()))


def _words(text: bytes) -> Iterator[bytes]:
    """Pieces for encoded words (RFC 2047); none of them ends within a character."""
    start = 0
    while start < len(text):
        end = start + _WORD
        while end < len(text) and text[end] & 0b1100_0000 == 0b1000_0000:
            end -= 1
        yield text[start:end]
        start = end


def _part(subtype: str, text: str) -> bytes:
    raw = text.encode()
    lines = raw.splitlines()
    body = b"\r\n".join([*lines, b""])
    if raw.isascii() and max(map(len, lines), default=0) <= _LINE:
        encoding = b"7bit"
    else:
        encoding, body = b"base64", encodebytes(body).replace(b"\n", b"\r\n")
    return b"".join(
        [
            f'Content-Type: text/{subtype}; charset="utf-8"\r\n'.encode(),
            b"Content-Transfer-Encoding: ",
            encoding,
            b"\r\n\r\n",
            body,
        ]
    )
