"""``manage.py sandbox``: providers that carry nothing anywhere, for the demo, drills and tests."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from channels.sandbox.server import Sandbox


class Command(BaseCommand):
    """Runs the provider sandbox until SIGTERM or Ctrl-C."""

    help = "Runs the provider sandbox: SMS, push and IM gateways, a webhook receiver and an SMTP server."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """``--port``, ``--smtp-port``: 0 takes a free one."""
        parser.add_argument("--port", type=int, help="HTTP; by default SANDBOX_PORT, or the one in SANDBOX_URL")
        parser.add_argument("--smtp-port", type=int, help="SMTP; by default SANDBOX_SMTP_PORT, or a free one")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serves until told to stop."""
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stopped.set())
        port = _first(options["port"], _from_environment("SANDBOX_PORT"), urlsplit(settings.SANDBOX_URL).port)
        if port is None:
            raise CommandError("no port: give --port, or set SANDBOX_PORT or SANDBOX_URL")
        smtp_port = _first(options["smtp_port"], _from_environment("SANDBOX_SMTP_PORT"), 0)
        try:
            sandbox = Sandbox(
                port=port, smtp_port=smtp_port, host=options["host"], journal=settings.CHANNELS["SANDBOX_JOURNAL"]
            )
        except (OSError, OverflowError) as error:
            raise CommandError(f"can't listen on {options['host']}, ports {port} and {smtp_port}: {error}") from error
        with sandbox:
            self.stdout.write(f"sandbox: {sandbox.url} smtp {sandbox.host}:{sandbox.smtp_port}")
            self.stdout.flush()
            stopped.wait()


def _from_environment(name: str) -> int | None:
    value = os.environ.get(name, "")
    if not value:
        return None
    if not value.isdecimal():
        raise CommandError(f"{name} is not a port: {value}")
    return int(value)


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)
