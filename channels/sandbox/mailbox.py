"""The sandbox's SMTP side: takes all mail, unless the behaviour of the name ``smtp`` says otherwise."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import re
import socket
import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.sandbox.behaviour import Verdict
from channels.sandbox.store import BODY_KEPT, Arrival, Store

NAME: Final = "smtp"
# aiosmtpd tells every step of every conversation at INFO, addresses included.
logging.getLogger("mail.log").setLevel(logging.WARNING)
_MAX_MAIL: Final = 16 * 1024 * 1024
_FOREVER_S: Final = 3600.0
_MESSAGE_ID: Final = re.compile(r"<([^@>]+)@")


class _Handler:
    """What the server does at each step, decided once for each mail, at MAIL FROM."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._verdicts: WeakKeyDictionary[Envelope, Verdict] = WeakKeyDictionary()

    async def handle_MAIL(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuses us where ``misconfigured`` or ``unavailable`` say so."""
        verdict = self._store.decide(NAME)
        self._verdicts[envelope] = verdict
        await asyncio.sleep(verdict.after_s)
        if verdict.kind == "status" or (verdict.kind == "error" and verdict.error == "unavailable"):
            return "421 4.3.2 the sandbox is not well"
        if verdict.kind == "error" and verdict.error == "misconfigured":
            return "530 5.7.0 the sandbox wants a login"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuses the recipient where ``recipient_rejected`` or ``throttled`` say so."""
        verdict = self._verdicts[envelope]
        if verdict.kind == "error" and verdict.error == "recipient_rejected":
            return "550 5.1.1 nobody of that name here"
        if verdict.kind == "error" and verdict.error == "throttled":
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Takes the mail, and answers, or does not."""
        verdict = self._verdicts[envelope]
        if verdict.kind == "error" and verdict.error == "message_rejected":
            return "554 5.6.0 the sandbox does not like this content"
        arrivals = _read(envelope)
        for arrival in arrivals:
            try:
                await asyncio.to_thread(self._store.take, arrival)
            except OSError:
                return "451 4.3.0 the journal can't be written"
        if verdict.kind == "hang":
            await asyncio.sleep(_FOREVER_S)
        if verdict.kind == "garbage":
            return "this is not SMTP"
        if verdict.kind in ("reset", "error") and server.transport is not None:
            cast(asyncio.WriteTransport, server.transport).abort()
        return f"250 2.0.0 OK {arrivals[0].provider_id}"


def _read(envelope: Envelope) -> list[Arrival]:
    content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
    mail = email.message_from_bytes(content, policy=email.policy.default)
    found = _MESSAGE_ID.search(str(mail["Message-ID"] or ""))
    part = mail.get_body(("plain", "html"))
    text = f"{mail['Subject'] or ''}\n{part.get_content() if part is not None else ''}"
    return [
        Arrival(
            name=NAME,
            channel="email",
            id=found[1] if found else "",
            provider_id=f"sandbox-{uuid.uuid4()}",
            to=recipient,
            text=text.strip(),
            at=datetime.now(UTC),
            headers={key.lower(): str(value) for key, value in mail.items()},
            body=content[:BODY_KEPT].decode("utf-8", "replace"),
        )
        for recipient in envelope.rcpt_tos
    ]


class Mailbox(Controller):
    """The SMTP server, in a thread with an event loop of its own."""

    def __init__(self, address: tuple[str, int], store: Store) -> None:
        """Binds to ``address`` at once, so that port 0 finds a free one. Raises OSError."""
        self._socket = socket.create_server(address, backlog=256)
        port = self._socket.getsockname()[1]
        super().__init__(
            _Handler(store),
            hostname=address[0],
            port=port,
            ident="Goutong sandbox",
            data_size_limit=_MAX_MAIL,
            enable_SMTPUTF8=True,
            server_hostname="sandbox.invalid",
        )

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        made: Awaitable[Any] = self.loop.create_server(self._factory_invoker, sock=self._socket)
        return made
