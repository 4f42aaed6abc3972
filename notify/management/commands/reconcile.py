"""``manage.py reconcile``: the proof that nothing accepted was lost."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notify.reconciliation import reconcile


class Command(BaseCommand):
    """Prints accepted, terminal and in flight as JSON; exit status 1 unless they add up."""

    help = "Counts what was accepted against what became of it; exits with 1 unless accepted = terminal + in flight."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", help="ISO 8601 with a time zone; default: 24 hours ago")

    def handle(self, *_args: Any, since: str | None = None, **_options: Any) -> None:
        start = timezone.now() - timedelta(days=1)
        if since is not None:
            try:
                parsed = parse_datetime(since)
            except ValueError as error:
                raise CommandError(f"--since {since}: {error}") from error
            if parsed is None:
                raise CommandError(f"--since {since}: write an ISO 8601 time, such as 2026-11-24T08:00:00Z")
            start = parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
        found = reconcile(since=start)
        self.stdout.write(json.dumps(found.as_dict()))
        if not found.balanced:
            sys.exit(1)
