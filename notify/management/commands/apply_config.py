"""``manage.py apply_config FILE [--dry-run]``: makes the database agree with a configuration file."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from channels.errors import ConfigurationError
from notify import configuration


class Command(BaseCommand):
    help = "Applies a configuration file (YAML): applications, channels, providers, policies and templates."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file; - reads standard input")
        parser.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["file"]
        try:
            text = _read(name)
            loaded = configuration.load(text, environ=os.environ)
            changes = configuration.apply(loaded, now=timezone.now(), dry_run=options["dry_run"])
        except ConfigurationError as error:
            lines = [f"  {path or name}: {detail}" for path, detail in error.errors]
            raise CommandError("\n".join([f"{name} was not applied, nothing has changed:", *lines])) from None
        for change in changes:
            self.stdout.write(str(change))
        if not changes:
            self.stdout.write("no changes")


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not UTF-8 text") from None
