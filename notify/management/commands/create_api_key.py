"""``manage.py create_api_key APPLICATION``: makes a key and prints it, once, alone on stdout."""

from __future__ import annotations

import difflib
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notify import api_keys
from notify.errors import InvalidRequest
from notify.models import Application


class Command(BaseCommand):
    help = "Makes an API key for an application and prints it: this is the only time that it is shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("application", help="the application's name")
        parser.add_argument("--scopes", default=",".join(api_keys.DEFAULT_SCOPES), help="comma-separated")
        parser.add_argument("--test", action="store_true", help="a test key: what it sends only reaches the sandbox")
        parser.add_argument("--name", default="", help="what people call it")
        parser.add_argument("--expires", default="", help="when it expires, ISO 8601 (UTC where no zone is given)")
        parser.add_argument("--allowed-ips", default="", help="comma-separated addresses or networks")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _key, plain = api_keys.create(
                application=_find(options["application"]),
                scopes=_split(options["scopes"]),
                is_test=options["test"],
                name=options["name"][:64],
                expires_at=_expiry(options["expires"]),
                allowed_ips=_split(options["allowed_ips"]),
            )
        except InvalidRequest as error:
            raise CommandError("; ".join(f"{fault.path}: {fault.detail}" for fault in error.errors)) from None
        self.stdout.write(plain)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _find(name: str) -> Application:
    found = Application.objects.filter(name=name).first()
    if found is not None:
        return found
    names = list(Application.objects.order_by("name").values_list("name", flat=True))
    close = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise CommandError(f"There is no application “{name}”.{hint}")


def _expiry(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("--expires: write a date and time such as 2027-01-31T00:00:00Z")
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if moment <= timezone.now():
        raise CommandError("--expires: this time is over")
    return moment
