"""SMTP's PIPELINING (RFC 2920): what comes before the content goes in one write, and each answer keeps its meaning."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from channels.errors import EndpointUnavailable, Misconfigured, ProviderError, RecipientRejected, Unavailable
from tests.channels.test_smtp_adapter import mail, smtp


class Server:
    """Answers by a script: ``answers`` of MAIL, RCPT and DATA. ``writes`` holds what came in one piece each, ``mails``
    the contents."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = {"MAIL": "250 OK", "RCPT": "250 OK", "DATA": "354 go on", **answers}
        self.writes: list[bytes] = []
        self.mails: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(b"220 here\r\n")
        in_data = False
        while data := connection.recv(65536):
            self.writes.append(data)
            if in_data:
                self.mails.append(data)
                in_data = False
                connection.sendall(b"250 taken\r\n")
                continue
            for line in data.decode().splitlines():
                verb = line[:4].upper()
                if verb == "EHLO":
                    connection.sendall(b"250-here\r\n250 PIPELINING\r\n")
                elif verb in self.answers:
                    connection.sendall(f"{self.answers[verb]}\r\n".encode())
                    in_data = in_data or (verb == "DATA" and self.answers[verb].startswith("354"))
                    if self.answers[verb].startswith("421"):
                        return
                else:
                    connection.sendall(b"250 OK\r\n")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def server(**answers: str) -> Iterator[Server]:
    made = Server(answers)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    made.close()
    thread.join(5)


def test_all_before_the_content_is_one_write() -> None:
    with server() as there, smtp(there.port) as adapter:
        adapter.send(mail(), timeout=5)
        adapter.send(mail(), timeout=5)
    assert [write.count(b"\r\n") for write in there.writes if write.startswith(b"MAIL")] == [3, 3]
    assert len(there.mails) == 2


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"MAIL": "553 5.1.8 not you", "RCPT": "503 first MAIL", "DATA": "503 first RCPT"}, Misconfigured),
        ({"RCPT": "550 5.1.1 nobody", "DATA": "503 no recipients"}, RecipientRejected),
        ({"RCPT": "451 4.7.1 greylisted", "DATA": "503 no recipients"}, EndpointUnavailable),
        ({"MAIL": "421 4.3.2 going down"}, Unavailable),
        ({"RCPT": "550 5.1.1 nobody", "DATA": "354 go on"}, RecipientRejected),
    ],
)
def test_a_refusal_means_what_it_means_at_its_step(answers: dict[str, Any], error: type[ProviderError]) -> None:
    with server(**answers) as there, smtp(there.port) as adapter:
        with pytest.raises(error):
            adapter.send(mail(), timeout=5)
        assert there.mails == []
        there.answers.update(MAIL="250 OK", RCPT="250 OK", DATA="354 go on")
        adapter.send(mail(), timeout=5)
    assert len(there.mails) == 1
