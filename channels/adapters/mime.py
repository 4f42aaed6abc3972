"""A message as an email: MIME with text and HTML, on the standard library's modern email package.

Its policies refuse line breaks in headers and write addresses, long lines and other alphabets as the RFCs want, which
Django's EmailMessage, still on the legacy API, does less strictly.
"""

from __future__ import annotations

import re
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any, Final

from channels.adapters import letter
from channels.errors import MessageRejected, RecipientRejected
from channels.types import OutboundMessage


class _Headers(HeaderRegistry):
    """The package's headers, those that are alike in every email parsed once: parsing is most of the work of building
    an email (2.4 ms of it, against 0.7 ms this way). Nothing of a message's own is kept."""

    _CONSTANT: Final = frozenset(
        ("content-type", "content-transfer-encoding", "mime-version", "from", "reply-to", "auto-submitted")
    )

    def __init__(self) -> None:
        super().__init__()
        self._parsed = lru_cache(maxsize=256)(super().__call__)
        self._class = lru_cache(maxsize=64)(super().__getitem__)

    def __getitem__(self, name: str) -> type:
        return self._class(name)

    def __call__(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and name.lower() in self._CONSTANT:
            return self._parsed(name, value)
        return super().__call__(name, value)


_HEADERS: Final = _Headers()
#: Base64 or quoted-printable for whatever is not plain ASCII: every server takes that, also those without 8BITMIME.
_ASCII: Final = policy.SMTP.clone(cte_type="7bit", header_factory=_HEADERS)
#: For addresses in other alphabets (RFC 6531): headers in UTF-8, where the server agreed to it.
_UTF8: Final = policy.SMTPUTF8.clone(cte_type="7bit", header_factory=_HEADERS)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_UNSENDABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
#: Local parts that need no quotes, and domains: nothing in them can end an address or begin another.
_LOCAL: Final = re.compile(r"[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\"(),:;<>@\[\\\]]+")
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
#: What the standard library's email and HTML code raises over content it has not thought of. It must cost this message,
#: and not the others of its batch.
_UNWRITABLE: Final = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, MessageError)
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def parse_mailbox(text: str) -> Address:
    """``Name <local@domain>`` or ``local@domain`` as an Address whose domain is in ASCII. Raises ValueError."""
    if _CONTROL.search(text):
        raise ValueError("an address must not hold control characters")
    header = policy.SMTPUTF8.header_factory("to", text)
    if header.defects or len(header.addresses) != 1 or len(header.groups) != 1:
        raise ValueError("write one address, such as Name <local@example.com>")
    mailbox: Address = header.addresses[0]
    return Address(mailbox.display_name, mailbox.username, _ascii_domain(mailbox.domain))


def parse_recipient(text: str) -> Address:
    """The address that a message is for. Raises RecipientRejected when it is none, or more than one."""
    local, _at, domain = text.rpartition("@")
    try:
        domain = _ascii_domain(domain)
    except ValueError:
        domain = ""
    if len(local.encode("utf-8", "replace")) > 64 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise RecipientRejected("this is not an email address")
    return Address(username=local, domain=domain)


def _ascii_domain(domain: str) -> str:
    """Domains travel in ASCII even where local parts needn't: every DNS and every server knows that form."""
    if not domain:
        raise ValueError("an address needs a domain")
    return domain if domain.isascii() else domain.encode("idna").decode("ascii")


def needs_utf8(*mailboxes: Address | None) -> bool:
    """Whether one of the addresses can only be written where the server speaks SMTPUTF8."""
    return any(mailbox is not None and not mailbox.addr_spec.isascii() for mailbox in mailboxes)


def build(
    message: OutboundMessage,
    *,
    sender: Address,
    recipient: Address,
    reply_to: Address | None,
    message_id: str,
    now: datetime,
) -> bytes:
    """The email as it goes over the wire: lines end in CRLF, nothing in it but ASCII unless an address demands UTF-8.
    Raises MessageRejected when the subject or the text can't be part of an email, or the package can't cope with it."""
    try:
        _check(message)
        text = message.text or text_of(message.html)
        common = letter.write(
            identifier=message.id,
            subject=message.subject,
            text=text,
            html=message.html,
            sender=sender,
            recipient=recipient,
            reply_to=reply_to,
            message_id=message_id,
            now=now,
        )
        if common is not None:
            return common
        email = _assemble(
            message, text, sender=sender, recipient=recipient, reply_to=reply_to, message_id=message_id, now=now
        )
        return _LINE_END.sub(b"\r\n", email.as_bytes())
    except _UNWRITABLE as error:
        raise MessageRejected(f"the message can't be written as an email ({type(error).__name__})") from None


def _check(message: OutboundMessage) -> None:
    """Raises MessageRejected for what must not be in an email, or can't be."""
    if _CONTROL.search(message.subject):
        raise MessageRejected("the subject holds a line break or another control character")
    if _UNSENDABLE.search(message.text) or _UNSENDABLE.search(message.html):
        raise MessageRejected("the text holds characters that are no text (NUL, lone surrogates)")


def _assemble(
    message: OutboundMessage,
    text: str,
    *,
    sender: Address,
    recipient: Address,
    reply_to: Address | None,
    message_id: str,
    now: datetime,
) -> EmailMessage:
    utf8 = needs_utf8(sender, recipient, reply_to)
    email = EmailMessage(policy=_UTF8 if utf8 else _ASCII)
    email["From"] = str(sender)
    email["To"] = recipient
    if reply_to is not None:
        email["Reply-To"] = str(reply_to)
    email["Subject"] = message.subject
    email["Date"] = format_datetime(now)
    email["Message-ID"] = message_id
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday replies are not for us
    email.set_content(text)
    if message.html:
        email.add_alternative(message.html, subtype="html")
    return email


def text_of(html: str) -> str:
    """What a reader without HTML should see: the words, with lines where the blocks are, and where links lead."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[ \t\r\f\v\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    """Collects the words of an HTML document."""

    _BLOCKS: Final = frozenset(
        (
            *("address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "figure"),
            *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p"),
            *("pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"),
        )
    )
    _SILENT: Final = frozenset(("script", "style", "head", "title", "template"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silence = 0
        self._links: list[tuple[str, int]] = []

    def parse_html_declaration(self, i: int) -> int:
        """``<![…>`` is a comment to browsers. The parser knows a few words it may begin with; others break it."""
        if self.rawdata.startswith("<![", i):
            return self.parse_bogus_comment(i)
        return super().parse_html_declaration(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silence += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag in self._BLOCKS:
            self.parts.append("\n\n" if tag in ("p", "table", "ul", "ol") else "\n")
            if tag == "li":
                self.parts.append("- ")
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag == "img":
            self.parts.append(dict(attrs).get("alt") or "")
        elif tag == "a":
            self._links.append((dict(attrs).get("href") or "", len(self.parts)))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silence = max(0, self._silence - 1)
        elif tag in self._BLOCKS:
            self.parts.append("\n\n" if tag in ("p", "table", "ul", "ol") else "\n")
        elif tag == "a" and self._links:
            target, start = self._links.pop()
            if target.startswith(("http://", "https://", "mailto:")) and target not in "".join(self.parts[start:]):
                self.parts.append(f" ({target})")

    def handle_data(self, data: str) -> None:
        if not self._silence:
            self.parts.append(re.sub(r"\s+", " ", data))
