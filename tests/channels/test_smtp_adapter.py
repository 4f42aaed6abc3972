"""Email, against aiosmtpd and against servers that break off at every step."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from channels.adapters.smtp import SmtpAdapter
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
from channels.types import OutboundMessage, SendReceipt
from tests.channels.adapter_contract import GRACE_S, TIMEOUT_S, AdapterContract
from tests.channels.certificates import make_certificate
from tests.channels.wire import RawServer, dead_port, message

PASSWORD = "s3cret-password"


def mail(**fields: Any) -> OutboundMessage:
    return message(channel="email", **{"to": "alice@example.com", "subject": "Hello", **fields})


class Inbox:
    """An SMTP server of another make than ours (aiosmtpd). ``refuse`` maps a step or a recipient to its answer."""

    def __init__(self, **options: Any) -> None:
        self.envelopes: list[Envelope] = []
        self.refuse: dict[str, str] = {}
        self.connections = 0
        self._options = options

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.refuse.get("mail", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        envelope.rcpt_tos.append(address)
        return self.refuse.get(address, self.refuse.get("rcpt", "250 OK"))

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        answer = self.refuse.get("data", "250 2.0.0 queued as 42")
        if answer.startswith("250"):
            self.envelopes.append(envelope)
        return answer

    def __enter__(self) -> Inbox:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._controller = _Controller(self, self._listener, **self._options)
        self._controller.start()
        self.connections = 0
        return self

    def __exit__(self, *_error: object) -> None:
        self._controller.stop()

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails, parsed, with the line ends of text."""
        contents = [one.content.replace(b"\r\n", b"\n") for one in self.envelopes]
        return [email.message_from_bytes(content, policy=email.policy.default) for content in contents]


class _Controller(Controller):
    def __init__(self, inbox: Inbox, listener: socket.socket, **options: Any) -> None:
        super().__init__(inbox, hostname="127.0.0.1", port=listener.getsockname()[1], **options)
        self._listener = listener

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener, ssl=self.ssl_context)


def config(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "from_email": "Goutong <no-reply@example.com>",
        **changes,
    }


@contextmanager
def smtp(port: int, **changes: Any) -> Iterator[SmtpAdapter]:
    adapter = SmtpAdapter(provider="p", config=config(port, **changes))
    try:
        yield adapter
    finally:
        adapter.close()


class TestContract(AdapterContract):
    adapter = "smtp"
    channel = "email"
    address = "alice@example.com"
    bad_message: ClassVar[dict[str, Any]] = {"to": "nobody"}
    secrets: ClassVar[list[str]] = [PASSWORD]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({"host": ""}, "host"),
        ({"host": "a b"}, "host"),
        ({"port": 70000}, "port"),
        ({"security": "ssl3"}, "security"),
        ({"from_email": ""}, "from_email"),
        ({"from_email": "nobody"}, "from_email"),
        ({"from_email": "a@example.com, b@example.com"}, "from_email"),
        ({"from_email": "A <a@example.com>\r\nBcc: b@example.com"}, "from_email"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"helo": "a b"}, "helo"),
        ({"username": ""}, ""),
        ({"password": "пароль"}, "password"),
        ({"security": "tls", "ca_file": "/no/such/file"}, "ca_file"),
    ]

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        with Inbox(auth_require_tls=False, authenticator=lambda *_args: AuthResult(success=True)) as inbox:
            yield config(inbox.port, username="user", password=PASSWORD)

    def pointed_at(self, config: dict[str, Any], port: int) -> dict[str, Any]:
        return {**config, "port": port, "username": "", "password": ""}

    def hanging(self) -> RawServer:
        return scripted("250 OK", "354 go on", None)


class TestMime:
    def test_text_and_html_arrive_as_alternatives(self) -> None:
        one = mail(subject="验证码 – code", text="你好\n.leading dot\n", html="<p>你好 <b>Ä</b></p>")
        with Inbox() as inbox, smtp(inbox.port, reply_to="Help <help@example.com>") as adapter:
            receipt = adapter.send(one, timeout=5)
        (envelope,), (got,) = inbox.envelopes, inbox.mails
        plain, html = got.get_body(("plain",)), got.get_body(("html",))
        assert plain is not None
        assert html is not None
        assert got.get_content_type() == "multipart/alternative"
        assert got["Subject"] == "验证码 – code"
        assert plain.get_content().splitlines() == ["你好", ".leading dot"]
        assert html.get_content().splitlines() == ["<p>你好 <b>Ä</b></p>"]
        assert got["From"] == "Goutong <no-reply@example.com>"
        assert got["To"] == "alice@example.com"
        assert got["Reply-To"] == "Help <help@example.com>"
        assert got["Auto-Submitted"] == "auto-generated"
        assert got["Date"].datetime is not None
        assert got["Message-ID"] == f"<{one.id}@example.com>" == receipt.provider_message_id
        assert not [part for part in got.walk() if part.defects]
        assert envelope.content.isascii()
        assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@example.com", ["alice@example.com"])
        assert "42" in receipt.detail

    def test_text_alone_is_plain(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(text="just text"), timeout=5)
        assert inbox.mails[0].get_content_type() == "text/plain"
        assert inbox.mails[0].get_content() == "just text\n"

    def test_a_text_is_made_of_html_alone(self) -> None:
        html = (
            "<html><head><title>T</title><style>p {}</style></head><body><h1>Hi &amp; bye</h1><p>One<br>two</p>"
            '<ul><li>a</li><li>b</li></ul><a href="https://example.com/x">here</a><script>evil()</script></body></html>'
        )
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(text="", html=html), timeout=5)
        plain = inbox.mails[0].get_body(("plain",))
        assert plain is not None
        assert plain.get_content() == "Hi & bye\n\nOne\ntwo\n\n- a\n\n- b\n\nhere (https://example.com/x)\n"

    @pytest.mark.parametrize("line", ["x" * 5000, "你" * 3000])
    def test_long_lines_arrive_whole_and_are_short_on_the_wire(self, line: str) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(text=line, subject=line[:900]), timeout=5)
        assert inbox.mails[0].get_content().splitlines() == [line]
        assert inbox.mails[0]["Subject"] == line[:900]
        assert max(len(part) for part in inbox.envelopes[0].content.split(b"\r\n")) <= 998

    @pytest.mark.parametrize("text", [".", "..", "\r\n.\r\nQUIT", "a\n.\nb", "a\r.\rb", "a\n.\r\nMAIL FROM:<x@y.z>"])
    def test_no_text_ends_the_mail_early(self, text: str) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(text=text), timeout=5)
            adapter.send(mail(text="second"), timeout=5)
        assert len(inbox.envelopes) == 2
        assert inbox.mails[0].get_content().split() == text.split()
        assert b"\n" not in inbox.envelopes[0].content.replace(b"\r\n", b"")

    @pytest.mark.parametrize("end", ["\r\nBcc: b@example.com", "\nX: 1", "\r", "\x00", "\u2028", "\x85", "\ud800"])
    def test_a_subject_with_a_line_break_is_not_sent(self, end: str) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            with pytest.raises(MessageRejected):
                adapter.send(mail(subject=f"a{end}"), timeout=5)
            assert not inbox.envelopes

    @pytest.mark.parametrize(
        "to",
        [
            "a@example.com\r\nRCPT TO:<b@example.com>",
            "a@example.com, b@example.com",
            "a@example.com>",
            "<a@example.com>",
            "A <a@example.com>",
            "a@example.com\x00",
            "a b@example.com",
            "@example.com",
            "a@",
            "nobody",
            "",
            "a@exa mple.com",
            "a@" + "x" * 70 + "ü.com",
        ],
    )
    def test_what_is_no_single_address_is_not_sent_to(self, to: str) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            with pytest.raises(RecipientRejected):
                adapter.send(mail(to=to), timeout=5)
            assert not inbox.envelopes

    def test_a_long_domain_leaves_the_message_id_whole(self) -> None:
        sender = "a@" + ".".join(["long-label-of-a-domain"] * 5) + ".com"
        one = mail()
        with Inbox() as inbox, smtp(inbox.port, from_email=sender) as adapter:
            adapter.send(one, timeout=5)
        assert f"<{one.id}@{sender.partition('@')[2]}>".encode() in inbox.envelopes[0].content

    @pytest.mark.parametrize("name", ['"Müller, Hans"', "公司", '"a \\"b\\" c"', "=?utf-8?q?x?="])
    def test_a_senders_name_stays_one_name(self, name: str) -> None:
        with Inbox() as inbox, smtp(inbox.port, from_email=f"{name} <a@example.com>") as adapter:
            adapter.send(mail(), timeout=5)
        (sender,) = inbox.mails[0]["From"].addresses
        assert sender.addr_spec == "a@example.com"


class TestInternationalAddresses:
    def test_a_domain_travels_in_ascii(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(to="alice@bücher.example"), timeout=5)
        assert inbox.envelopes[0].rcpt_tos == ["alice@xn--bcher-kva.example"]

    def test_a_local_part_travels_in_utf8_where_the_server_takes_it(self) -> None:
        with Inbox(enable_SMTPUTF8=True) as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(to="用户@example.com", text="你好"), timeout=5)
            adapter.send(mail(to="bob@example.com"), timeout=5)
        assert [one.rcpt_tos for one in inbox.envelopes] == [["用户@example.com"], ["bob@example.com"]]
        assert [one.smtp_utf8 for one in inbox.envelopes] == [True, False]
        assert "用户@example.com".encode() in inbox.envelopes[0].content

    def test_a_local_part_is_refused_clearly_where_the_server_does_not(self) -> None:
        with Inbox(enable_SMTPUTF8=False) as inbox, smtp(inbox.port) as adapter:
            with pytest.raises(RecipientRejected, match="SMTPUTF8"):
                adapter.send(mail(to="用户@example.com"), timeout=5)
            assert adapter.send(mail(), timeout=5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("step", "answer", "kind"),
        [
            ("rcpt", "550 5.1.1 no such user", RecipientRejected),
            ("rcpt", "553 bad mailbox name", RecipientRejected),
            ("rcpt", "450 4.2.0 greylisted", EndpointUnavailable),
            ("rcpt", "451 try again", EndpointUnavailable),
            ("rcpt", "452 4.2.2 mailbox full", EndpointUnavailable),
            ("rcpt", "454 4.7.1 relay access denied", EndpointUnavailable),
            ("rcpt", "421 4.3.2 shutting down", Unavailable),
            ("rcpt", "554 5.7.1 relay access denied", Misconfigured),
            ("rcpt", "530 authentication required", Misconfigured),
            ("mail", "550 5.1.8 sender refused", Misconfigured),
            ("mail", "530 5.7.0 log in first", Misconfigured),
            ("mail", "552 message too big", MessageRejected),
            ("mail", "451 later", Unavailable),
            ("mail", "454 too fast", Throttled),
            ("mail", "421 going", Unavailable),
            ("data", "554 5.6.0 spam", MessageRejected),
            ("data", "552 too big", MessageRejected),
            ("data", "451 disk full", Unavailable),
            ("data", "454 Throttling failure: Maximum sending rate exceeded", Throttled),
            ("data", "421 going", Unavailable),
        ],
    )
    def test_a_refusal_means_what_its_step_and_code_say(
        self, step: str, answer: str, kind: type[ProviderError]
    ) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            inbox.refuse[step] = answer
            with pytest.raises(kind) as caught:
                adapter.send(mail(), timeout=5)
            assert type(caught.value) is kind
            assert answer[:3] in caught.value.detail
            inbox.refuse.clear()
            assert adapter.send(mail(), timeout=5)

    def test_greylisting_says_when_to_come_back_and_is_not_waited_for_for_ever(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            inbox.refuse["rcpt"] = "450 4.2.0 greylisted"
            with pytest.raises(EndpointUnavailable) as caught:
                adapter.send(mail(), timeout=5)
            found = caught.value
            assert (found.retry_after, found.uses_attempt, found.provider_fault) == (90, True, False)

    @pytest.mark.parametrize(("step", "answer"), [("rcpt", "421 busy"), ("mail", "451 later"), ("data", "451 full")])
    def test_what_is_the_servers_own_trouble_stays_the_providers_fault(self, step: str, answer: str) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            inbox.refuse[step] = answer
            with pytest.raises(Unavailable) as caught:
                adapter.send(mail(), timeout=5)
            assert caught.value.provider_fault

    def test_recipients_of_a_batch_are_told_apart_on_one_connection(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            inbox.refuse = {"bad@example.com": "550 5.1.1 no", "grey@example.com": "451 4.7.1 later"}
            names = ["a", "bad", "b", "grey", "c"]
            answers = list(adapter.send_batch([mail(to=f"{name}@example.com") for name in names], timeout=5))
            kinds = [type(answer) for _one, answer in answers]
            assert kinds == [SendReceipt, RecipientRejected, SendReceipt, EndpointUnavailable, SendReceipt]
            assert inbox.connections == 1
            assert len(inbox.envelopes) == 3

    def test_addresses_in_what_the_server_says_are_masked(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            inbox.refuse["rcpt"] = "550 5.1.1 <alice@example.com> unknown"
            with pytest.raises(RecipientRejected) as caught:
                adapter.send(mail(), timeout=5)
            assert "alice@example.com" not in str(caught.value)


class TestBatches:
    @pytest.mark.parametrize("fields", [{"html": 5}, {"text": None}, {"subject": 5}, {"subject": "a\r\nb"}])
    def test_one_mail_that_can_not_be_written_fails_alone(self, fields: dict[str, Any]) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            kinds = [type(got) for _one, got in adapter.send_batch([mail(), mail(**fields), mail()], timeout=5)]
            assert kinds == [SendReceipt, MessageRejected, SendReceipt]

    def test_each_mail_is_asked_for_only_when_its_turn_has_come(self) -> None:
        """A worker that slept past its lease finds that the rest is no longer its own."""
        messages = [mail() for _number in range(5)]
        answered: list[OutboundMessage] = []

        def ours() -> Iterator[OutboundMessage]:
            for one in messages:
                if len(answered) == 2:
                    return
                yield one

        with Inbox() as inbox, smtp(inbox.port) as adapter:
            for one, _answer in adapter.send_batch(ours(), timeout=5):
                answered.append(one)
            assert (answered, len(inbox.envelopes)) == (messages[:2], 2)


class TestConnection:
    def test_it_is_kept_from_batch_to_batch(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            for _number in range(3):
                list(adapter.send_batch([mail() for _one in range(4)], timeout=5))
            assert (inbox.connections, len(inbox.envelopes)) == (1, 12)

    def test_it_is_made_again_when_the_server_has_dropped_it(self) -> None:
        with Inbox(timeout=0.2) as inbox, smtp(inbox.port) as adapter:
            adapter.send(mail(), timeout=5)
            (session,) = adapter._idle
            _wait_until(lambda: _closed_by_peer(session._wire.sock))
            assert adapter.send(mail(), timeout=5)
            assert (inbox.connections, len(inbox.envelopes)) == (2, 2)

    def test_several_threads_have_one_each(self) -> None:
        with Inbox() as inbox, smtp(inbox.port) as adapter:
            threads = [
                threading.Thread(target=lambda: list(adapter.send_batch([mail() for _one in range(10)], timeout=10)))
                for _number in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(inbox.envelopes) == 40
            assert inbox.connections <= 4

    def test_a_forgotten_connection_costs_only_a_part_of_the_time(self) -> None:
        """A firewall that swallows everything on an old connection must not swallow the message's time as well."""
        with scripted("250 OK", "354 go on", "250 OK", end=lambda _link: server.stopping.wait(30) and None) as server:
            with smtp(server.port) as adapter:
                adapter.send(mail(), timeout=5)
                (session,) = adapter._idle
                session._used_at -= 5
                assert adapter.send(mail(), timeout=2)
            assert server.connections == 2

    def test_a_dead_server_answers_a_whole_batch_at_once(self) -> None:
        with smtp(dead_port()) as adapter:
            answers = list(adapter.send_batch([mail() for _number in range(20)], timeout=5))
        assert [type(answer) for _one, answer in answers] == [Unavailable] * 20

    def test_a_server_that_keeps_hanging_is_not_given_the_whole_batch(self) -> None:
        with scripted("250 OK", "354 go on", None) as server, smtp(server.port) as adapter:
            began = time.monotonic()
            answers = list(adapter.send_batch([mail() for _number in range(10)], timeout=TIMEOUT_S))
            assert time.monotonic() - began < 2 * TIMEOUT_S + GRACE_S
        assert [type(answer) for _one, answer in answers] == [OutcomeUnknown] * 2 + [Unavailable] * 8


def scripted(
    *answers: str | None, greeting: str = "220 hello", end: Callable[[socket.socket], None] | None = None
) -> RawServer:
    """A server that greets, and answers MAIL, RCPT (the first of ``answers``), DATA and the dot in turn; None: silence
    for ever. After its last answer it hangs up, or does ``end``."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(f"{greeting}\r\n".encode())
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"250 scripted\r\n")
        lines.readline()
        for answer in ("250 OK", *answers):
            if answer is None:
                server.stopping.wait(30)
                return
            connection.sendall(f"{answer}\r\n".encode())
            if answer.startswith("354"):
                while lines.readline() not in (b".\r\n", b""):
                    pass
            else:
                lines.readline()
        if end is not None:
            end(connection)

    server = RawServer(talk)
    return server


class TestBreaks:
    def test_a_break_before_the_data_is_unavailable(self) -> None:
        with scripted() as server, smtp(server.port) as adapter, pytest.raises(Unavailable):
            adapter.send(mail(), timeout=5)

    def test_a_break_at_the_data_command_is_unavailable(self) -> None:
        with scripted("250 OK") as server, smtp(server.port) as adapter, pytest.raises(Unavailable):
            adapter.send(mail(), timeout=5)

    def test_a_break_after_the_dot_is_an_unknown_outcome(self) -> None:
        with scripted("250 OK", "354 go on") as server, smtp(server.port) as adapter, pytest.raises(OutcomeUnknown):
            adapter.send(mail(), timeout=5)

    def test_garbage_after_the_dot_is_an_unknown_outcome(self) -> None:
        with (
            scripted("250 OK", "354 go on", "what?") as server,
            smtp(server.port) as adapter,
            pytest.raises(OutcomeUnknown),
        ):
            adapter.send(mail(), timeout=5)

    @pytest.mark.parametrize("answers", [(None,), ("250 OK", None)])
    def test_silence_before_the_dot_is_unavailable_within_the_timeout(self, answers: tuple[str | None, ...]) -> None:
        with scripted(*answers) as server, smtp(server.port) as adapter:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                adapter.send(mail(), timeout=TIMEOUT_S)
            assert time.monotonic() - began < TIMEOUT_S + GRACE_S

    def test_a_greeting_dripped_gets_no_more_time_than_silence(self) -> None:
        def drip(connection: socket.socket) -> None:
            for _number in range(400):
                connection.sendall(b"2")
                time.sleep(0.05)

        with RawServer(drip) as server, smtp(server.port) as adapter:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                adapter.send(mail(), timeout=TIMEOUT_S)
            assert time.monotonic() - began < TIMEOUT_S + GRACE_S

    @pytest.mark.parametrize(
        ("greeting", "kind"),
        [("421 busy", Unavailable), ("450 busy", Unavailable), ("554 go away", Misconfigured), ("moo", Unavailable)],
    )
    def test_a_greeting_that_is_none(self, greeting: str, kind: type[ProviderError]) -> None:
        with scripted(greeting=greeting) as server, smtp(server.port) as adapter, pytest.raises(kind) as caught:
            adapter.send(mail(), timeout=5)
        assert type(caught.value) is kind


class TestLogin:
    def test_a_wrong_password_is_misconfigured_and_not_told(self) -> None:
        with (
            Inbox(
                auth_require_tls=False, authenticator=lambda *_args: AuthResult(success=False, handled=False)
            ) as inbox,
            smtp(inbox.port, username="user", password=PASSWORD) as adapter,
            pytest.raises(Misconfigured) as caught,
        ):
            adapter.send(mail(), timeout=5)
        assert PASSWORD not in str(caught.value)

    def test_a_server_that_knows_no_logins_is_misconfigured(self) -> None:
        with (
            Inbox() as inbox,
            smtp(inbox.port, username="user", password=PASSWORD) as adapter,
            pytest.raises(Misconfigured),
        ):
            adapter.send(mail(), timeout=5)


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        return make_certificate(tmp_path / "server.pem", names=["127.0.0.1"])

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        return make_certificate(tmp_path / "other.pem", names=["127.0.0.1"])

    def test_starttls_protects_the_mail(self, certificate: Path) -> None:
        with (
            Inbox(tls_context=server_context(certificate), require_starttls=True) as inbox,
            smtp(inbox.port, security="starttls", ca_file=str(certificate)) as adapter,
        ):
            for _number in range(3):
                assert adapter.send(mail(), timeout=5)
        assert len(inbox.envelopes) == 3

    def test_tls_from_the_start_protects_the_mail(self, certificate: Path) -> None:
        with (
            Inbox(ssl_context=server_context(certificate)) as inbox,
            smtp(inbox.port, security="tls", ca_file=str(certificate)) as adapter,
        ):
            assert adapter.send(mail(), timeout=5)
        assert len(inbox.envelopes) == 1

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_certificate_of_somebody_else_is_not_trusted(self, certificate: Path, other: Path, security: str) -> None:
        context = server_context(certificate)
        options: dict[str, Any] = {"ssl_context": context} if security == "tls" else {"tls_context": context}
        with (
            Inbox(**options) as inbox,
            smtp(inbox.port, security=security, ca_file=str(other)) as adapter,
            pytest.raises(Unavailable, match="TLS"),
        ):
            adapter.send(mail(), timeout=5)
        assert not inbox.envelopes

    def test_a_server_without_starttls_gets_nothing_in_the_clear(self) -> None:
        with Inbox() as inbox, smtp(inbox.port, security="starttls") as adapter, pytest.raises(Misconfigured):
            adapter.send(mail(), timeout=5)
        assert not inbox.envelopes


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _closed_by_peer(sock: socket.socket | None) -> bool:
    assert sock is not None
    sock.setblocking(False)
    try:
        return b"421" in sock.recv(1000, socket.MSG_PEEK) or sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_the_message_id_is_the_same_on_every_attempt() -> None:
    one = mail(id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
    with Inbox() as inbox, smtp(inbox.port) as adapter:
        adapter.send(one, timeout=5)
        adapter.send(one, timeout=5)
    assert {str(got["Message-ID"]) for got in inbox.mails} == {"<01890a5d-ac96-774b-bcce-b302099a8057@example.com>"}
