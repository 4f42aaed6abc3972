"""(e) A plain loop over the provider: ``python -m bench.baselines.smtp_loop PORT COUNT each|kept`` sends so many
messages, with a connection for each or one for all, and prints messages a second."""

from __future__ import annotations

import smtplib
import sys
import time
from email.message import EmailMessage


def message(number: int) -> EmailMessage:
    """The same message as the product sends."""
    made = EmailMessage()
    made["Subject"] = "Hello"
    made["From"] = "Goutong <no-reply@example.com>"
    made["To"] = f"user{number}@example.com"
    made.set_content("Hello, this is a message.")
    return made


def send_each(port: int, count: int) -> None:
    """A connection for each message, as ``django.core.mail.send_mail`` does it."""
    for number in range(count):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.send_message(message(number))


def send_kept(port: int, count: int) -> None:
    """One connection for all."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        for number in range(count):
            server.send_message(message(number))


if __name__ == "__main__":
    send = {"each": send_each, "kept": send_kept}[sys.argv[3]]
    began = time.perf_counter()
    send(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(f"{int(sys.argv[2]) / (time.perf_counter() - began)}\n")
