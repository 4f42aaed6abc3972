"""A conversation with an SMTP server, step by step, and what a failure means at each step.

This drives ``smtplib`` and not Django's SMTP backend, nor ``smtplib.sendmail``: both hide at which step a conversation
broke. Before the final dot of DATA is out, the server can't have the message (``Unavailable``: try elsewhere); after
it, silence is ``OutcomeUnknown``. Django's backend also stops at the first message of a batch that fails, without
saying which. Its way of keeping one connection for many messages is what is done here.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from channels.adapters import deadline
from channels.errors import (
    EndpointUnavailable,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.masking import mask_text

#: Greylisting usually lasts five minutes: even the fewest attempts a message has reach beyond that.
GREYLIST_RETRY_S: Final = 90.0
#: A connection that was used this recently needs no asking whether it still stands.
_FRESH_S: Final = 1.0
_NOOP_S: Final = 2.0
_DOT: Final = re.compile(rb"(?m)^\.")
_ENHANCED: Final = re.compile(rb"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the server is, and who we are to it."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)
    helo: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class _Command(NamedTuple):
    """One command: its step, its words, and the answers that let the next one follow."""

    step: str
    text: str
    wanted: tuple[int, ...] = (250,)


class _Wire(smtplib.SMTP):
    """smtplib on sockets that keep the attempt's deadline, with TLS from the start where that is wanted."""

    def __init__(self, account: Account) -> None:
        self._account = account
        super().__init__(local_hostname=account.helo)
        self._host = account.host  # the name that TLS verifies, as smtplib sets it only when it connects in __init__

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        addresses = deadline.resolve(host, port)
        plain = deadline.connect(addresses, timeout=deadline.current().remaining())
        if self._account.security == "tls" and self._account.tls is not None:
            return self._account.tls.wrap_socket(plain, server_hostname=self._account.host)
        return plain


class Session:
    """One connection, used for one message after the other, by one thread at a time."""

    def __init__(self, account: Account) -> None:
        """Connects and logs in. Raises Unavailable, Throttled or Misconfigured."""
        self._wire = _Wire(account)
        self._used_at = 0.0
        try:
            self._open(account)
        except smtplib.SMTPResponseException as error:
            self.close()
            kind = Misconfigured if error.smtp_code >= 500 else Unavailable
            raise kind(_described(error.smtp_code, _bytes(error.smtp_error))) from None
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise _no_connection(error, account) from None

    def _open(self, account: Account) -> None:
        code, said = self._wire.connect(account.host, account.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        self._wire.ehlo_or_helo_if_needed()
        if account.security == "starttls":
            code, said = self._wire.starttls(context=account.tls)
            if code != 220:
                raise smtplib.SMTPResponseException(code, said)
            self._wire.ehlo_or_helo_if_needed()
        if account.username:
            self._wire.login(account.username, account.password)
        self._used_at = time.monotonic()

    @property
    def speaks_utf8(self) -> bool:
        """Whether the server takes addresses in other alphabets than ASCII."""
        return self._wire.has_extn("smtputf8")

    @property
    def idle_s(self) -> float:
        """Seconds since the server last answered."""
        return time.monotonic() - self._used_at

    @property
    def open(self) -> bool:
        """Whether the connection stands, as far as we know without asking."""
        return self._wire.sock is not None

    def alive(self) -> bool:
        """Whether the connection still stands; asks the server unless it has only just answered. A firewall that has
        forgotten the connection swallows the question, so that may only take a small part of the time there is."""
        if self.open and self.idle_s >= _FRESH_S:
            try:
                with deadline.attempt(min(_NOOP_S, deadline.current().remaining() / 4)):
                    if self._wire.noop()[0] != 250:
                        self.close()
                self._used_at = time.monotonic()
            except (smtplib.SMTPException, OSError):
                self.close()
        return self.open

    def deliver(self, *, sender: str, recipient: str, content: bytes, utf8: bool) -> str:
        """Hands one email over and returns what the server said to it. Raises the ProviderError of the step that
        failed; afterwards the session is either ready for the next message, or no longer ``open``."""
        try:
            options = self._options(content, utf8=utf8)
            self._introduce(
                _Command("mail", " ".join((f"MAIL FROM:<{sender}>", *options))),
                _Command("rcpt", f"RCPT TO:<{recipient}>", (250, 251)),
                _Command("data", "DATA", (354,)),
            )
            self._wire.send(_DOT.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise Unavailable(f"the connection was lost before the handing over ({_reason(error)})") from None
        # From here on the server has the message, and only its answer tells what it makes of it.
        try:
            code, said = self._wire.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise OutcomeUnknown(f"the message was handed over and not answered ({_reason(error)})") from None
        self._used_at = time.monotonic()
        if code < 0:
            self.close()
            raise OutcomeUnknown("the message was handed over, and the answer was not SMTP")
        if code != 250:
            self._refused("data", code, said)
        return _words(said)

    def close(self) -> None:
        """Drops the connection without a word."""
        self._wire.close()

    def quit(self) -> None:
        """Takes leave and drops the connection."""
        try:
            self._wire.quit()
        except (smtplib.SMTPException, OSError):
            self.close()

    def _options(self, content: bytes, *, utf8: bool) -> tuple[str, ...]:
        options = []
        if self._wire.has_extn("size"):
            options.append(f"SIZE={len(content)}")
        if utf8:
            self._wire.command_encoding = "utf-8"
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        else:
            self._wire.command_encoding = "ascii"
        return tuple(options)

    def _introduce(self, *commands: _Command) -> None:
        """All that comes before the content: in one go where the server takes that (RFC 2920), which saves two waits of
        three; else one command after the other."""
        if not self._wire.has_extn("pipelining"):
            for command in commands:
                self._wire.putcmd(command.text)
                code, said = self._hear()
                if code not in command.wanted:
                    self._refused(command.step, code, said)
            return
        text = "".join(f"{command.text}\r\n" for command in commands)
        if text.count("\n") != len(commands) or text.count("\r") != len(commands):
            raise ValueError("a line break within a command")  # as putcmd says
        self._wire.send(text.encode(self._wire.command_encoding))
        heard = [self._hear()]
        while len(heard) < len(commands) and heard[-1][0] != 421:  # after which nothing follows
            heard.append(self._hear())
        for command, (code, said) in zip(commands, heard, strict=False):
            if code not in command.wanted:
                if heard[-1][0] == 354:
                    self.close()  # it waits for content all the same, and nobody may get that
                self._refused(command.step, code, said)

    def _hear(self) -> tuple[int, bytes]:
        code, said = self._wire.getreply()
        self._used_at = time.monotonic()
        if code < 0:
            raise smtplib.SMTPServerDisconnected("the answer was not SMTP")
        return code, said

    def _refused(self, step: str, code: int, said: bytes) -> None:
        """Makes the session ready for the next message, and raises what the refusal means."""
        if code == 421:
            self.close()
        else:
            try:
                if self._wire.rset()[0] != 250:
                    self.close()
            except (smtplib.SMTPException, OSError):
                self.close()
        raise refusal(step, code, said)


def refusal(step: str, code: int, said: bytes) -> ProviderError:
    """What a server's refusal means, at the step ``mail``, ``rcpt`` or ``data``.

    421 is always the server's own trouble. A recipient refused for good is undeliverable, unless the reason is the
    server's policy towards us (x.7.x: relaying denied, blocked, not logged in). Refused for now, it is greylisted or
    its mailbox is full: tried again as often as anything else, since some never come to an end, and no fault of the
    provider's. Who refuses the sender refuses us. What is refused after DATA is the content.
    """
    if step == "rcpt" and 400 <= code < 500 and code != 421:
        return EndpointUnavailable(_described(code, said), retry_after=GREYLIST_RETRY_S)
    enhanced = _ENHANCED.search(said)
    if step == "rcpt":
        policy = code in (530, 535) or (enhanced is not None and enhanced[2] == b"7")
        return _refusal(code, said, otherwise=Misconfigured if policy else RecipientRejected)
    if step == "mail" and code != 552:
        return _refusal(code, said, otherwise=Misconfigured)
    return _refusal(code, said, otherwise=MessageRejected)


def _refusal(code: int, said: bytes, *, otherwise: type[ProviderError]) -> ProviderError:
    if code == 454:  # RFC 4954's “temporary authentication failure”, and how Amazon SES says “too fast”
        return Throttled(_described(code, said))
    return (Unavailable if code < 500 else otherwise)(_described(code, said))


def _no_connection(error: Exception, account: Account) -> ProviderError:
    where = f"{account.host}:{account.port}"
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        return Misconfigured(f"{where} does not offer what the configuration asks for ({error})")
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"no TLS connection to {where} ({getattr(error, 'verify_message', '') or error.reason})")
    return Unavailable(f"could not reach {where} ({_reason(error)})")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or mask_text(str(error))[:120] or type(error).__name__


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode("utf-8", "replace")


def _words(said: bytes) -> str:
    return mask_text(" ".join(said.decode("utf-8", "replace").split()))[:200]


def _described(code: int, said: bytes) -> str:
    return f"SMTP {code} {_words(said)}".strip()
