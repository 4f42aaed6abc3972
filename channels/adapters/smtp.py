"""Email by SMTP: one connection for a batch, kept for the next."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from channels.adapters import deadline, mime
from channels.adapters.base import Adapter, AdapterConfig, Answer, parse_config
from channels.adapters.smtp_session import Account, Session
from channels.errors import ConfigurationError, OutcomeUnknown, ProviderError, RecipientRejected, Unavailable
from channels.types import OutboundMessage, SendReceipt

#: Idle connections older than this are dropped: servers close them after five minutes (RFC 5321), many sooner.
_IDLE_LIMIT_S: Final = 60.0
#: A server that lets this many messages in a row run out of time gets no more of this batch.
_PATIENCE: Final = 2
_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}


class SmtpConfig(AdapterConfig):
    """The server, and who the mail is from."""

    host: str = Field(min_length=1, pattern=r"^[^\s/@]+$")
    port: int = Field(default=0, ge=0, le=65535, description="By default 25, 587 or 465, after security.")
    username: str = ""
    password: SecretStr = SecretStr("")
    security: Literal["none", "starttls", "tls"] = "starttls"
    from_email: str = Field(description="Such as Goutong <no-reply@example.com>.")
    reply_to: str = ""
    helo: str = Field(default="", pattern=r"^[A-Za-z0-9.:\[\]-]*$", description="Our name to the server.")
    ca_file: str | None = Field(default=None, description="A PEM file of authorities, in place of the system's.")

    @field_validator("from_email", "reply_to")
    @classmethod
    def check_mailbox(cls, value: str) -> str:
        if value:
            mime.parse_mailbox(value)
        return value

    @field_validator("from_email")
    @classmethod
    def check_from(cls, value: str) -> str:
        if not value:
            raise ValueError("write the sender's address")
        return value

    @field_validator("username", "password")
    @classmethod
    def check_ascii(cls, value: str | SecretStr) -> str | SecretStr:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not plain.isascii():
            raise ValueError("SMTP logins are ASCII")
        return value

    @model_validator(mode="after")
    def check_login(self) -> SmtpConfig:
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password belong together")
        return self


class SmtpAdapter(Adapter):
    """Hands email over to one SMTP server."""

    batch_size = 50
    config_schema: ClassVar[type[AdapterConfig]] = SmtpConfig

    def setup(self, config: dict[str, Any]) -> None:
        """Checks the configuration. Connections are made when there is something to send."""
        parsed = parse_config(SmtpConfig, config)
        self._sender = mime.parse_mailbox(parsed.from_email)
        self._reply_to = mime.parse_mailbox(parsed.reply_to) if parsed.reply_to else None
        try:
            tls = None if parsed.security == "none" else deadline.tls_context(parsed.ca_file)
        except OSError as error:
            raise ConfigurationError([("ca_file", f"can't be read: {error.strerror or error}")]) from None
        self._account = Account(
            host=parsed.host,
            port=parsed.port or _PORTS[parsed.security],
            security=parsed.security,
            username=parsed.username,
            password=parsed.password.get_secret_value(),
            helo=parsed.helo or _own_name(),
            tls=tls,
        )
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        self._closed = False

    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """One email, on a connection that may have been used before."""
        (_message, answer) = next(iter(self.send_batch([message], timeout=timeout)))
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    def send_batch(self, messages: Iterable[OutboundMessage], *, timeout: float) -> Iterator[Answer]:
        """One email after the other on one connection, each within ``timeout``. When the server can't be reached, or
        keeps running out of time, the rest of the batch is answered without trying."""
        line = _Line(self, timeout=timeout)
        try:
            for message in messages:
                try:
                    yield message, line.send(message)
                except ProviderError as error:
                    yield message, error
        finally:
            line.hang_up()

    def close(self) -> None:
        """Drops the idle connections; those in use are dropped when they are given back."""
        with self._lock:
            self._closed = True
            sessions, self._idle = self._idle, []
        for session in sessions:
            session.close()

    def take(self) -> Session | None:
        """An idle connection, the most recently used first, or None. It may turn out to be dead."""
        with self._lock:
            stale = [session for session in self._idle if session.idle_s > _IDLE_LIMIT_S]
            self._idle = [session for session in self._idle if session.idle_s <= _IDLE_LIMIT_S]
            taken = self._idle.pop() if self._idle else None
        for session in stale:
            session.close()
        return taken

    def give_back(self, session: Session) -> None:
        """Keeps a connection for the next batch."""
        with self._lock:
            if session.open and not self._closed and len(self._idle) < self.concurrency:
                self._idle.append(session)
                return
        session.close()

    def connect(self) -> Session:
        """A new connection, logged in, within the current attempt's time."""
        return Session(self._account)

    def write(self, message: OutboundMessage, recipient: Address) -> bytes:
        """The email for ``message``. Its Message-ID is made of the delivery's id: the same on every attempt."""
        return mime.build(
            message,
            sender=self._sender,
            recipient=recipient,
            reply_to=self._reply_to,
            message_id=self.message_id(message),
            now=datetime.now(UTC),
        )

    def message_id(self, message: OutboundMessage) -> str:
        """``<delivery-id@our-domain>``."""
        return f"<{message.id}@{self._sender.domain}>"

    def needs_utf8(self, recipient: Address) -> bool:
        """Whether this email can only go to a server that speaks SMTPUTF8."""
        return mime.needs_utf8(self._sender, self._reply_to, recipient)

    @property
    def envelope_sender(self) -> str:
        """Where bounces go."""
        return self._sender.addr_spec


class _Line:
    """One batch's connection: taken or made when first needed, made again when the server has dropped it, and given
    up for good when that fails."""

    def __init__(self, adapter: SmtpAdapter, *, timeout: float) -> None:
        self._adapter = adapter
        self._timeout = timeout
        self._session: Session | None = None
        self._fault: ProviderError | None = None
        self._late = 0

    def send(self, message: OutboundMessage) -> SendReceipt:
        """Hands one message over. Raises a ProviderError when it was not taken."""
        recipient = mime.parse_recipient(message.to)
        content = self._adapter.write(message, recipient)
        if self._fault is not None:
            raise self._fault
        with deadline.attempt(self._timeout) as attempt:
            try:
                said = self._deliver(recipient, content)
            except (Unavailable, OutcomeUnknown) as error:
                self._judge(error, late=attempt.is_over)
                raise
        self._late = 0
        return SendReceipt(provider_message_id=self._adapter.message_id(message), detail=said)

    def hang_up(self) -> None:
        """Keeps the connection for the next batch, if it is still good."""
        if self._session is not None:
            self._adapter.give_back(self._session)

    def _deliver(self, recipient: Address, content: bytes) -> str:
        session, used = self._connected()
        try:
            return self._hand_over(session, recipient, content)
        except Unavailable:
            if not used or session.open or deadline.current().is_over:
                raise
        # A connection from before that broke at the first words: the server had closed it. That happens once.
        session, _used = self._connected()
        return self._hand_over(session, recipient, content)

    def _hand_over(self, session: Session, recipient: Address, content: bytes) -> str:
        utf8 = self._adapter.needs_utf8(recipient)
        if utf8 and not session.speaks_utf8:
            raise RecipientRejected("the server does not take addresses with letters outside ASCII (SMTPUTF8)")
        return session.deliver(
            sender=self._adapter.envelope_sender, recipient=recipient.addr_spec, content=content, utf8=utf8
        )

    def _connected(self) -> tuple[Session, bool]:
        """A connection that stands, and whether it was used before."""
        session = self._session or self._adapter.take()
        while session is not None and not session.alive():
            session = self._adapter.take()
        used = session is not None
        if session is None:
            try:
                session = self._adapter.connect()
            except ProviderError as error:
                self._fault = error  # what keeps one message from the server keeps them all from it
                raise
        self._session = session
        return session, used

    def _judge(self, error: ProviderError, *, late: bool) -> None:
        self._late = self._late + 1 if late else 0
        if self._late >= _PATIENCE and self._fault is None:
            self._fault = Unavailable(f"not tried: {_PATIENCE} messages before it ran out of time ({error.detail})")


def _own_name() -> str:
    """What we call ourselves to servers: our name if it is a full one. No look-ups: smtplib's can take seconds."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
