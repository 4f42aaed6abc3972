"""``manage.py verify_audit``: whether the audit is whole."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Final

from django.core.management.base import BaseCommand

from admin_portal.audit.verification import Head, verify

_WORDS: Final = {
    "missing": "is missing",
    "altered": "does not say what was written",
    "unlinked": "does not follow the entry before it",
    "truncated": "is not the head that was there before",
}


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


class Command(BaseCommand):
    help = (
        "Follows the audit's chain of hashes from the first entry to the newest. Exits with 1 and names the first "
        "entry that was altered, removed or moved. Keep the head that it prints somewhere else, and give it next time: "
        "only so a chain whose end was cut off is told from a shorter one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", type=_head, help="a head printed earlier, NUMBER:HASH, which must still be there")

    def handle(self, *args: Any, head: Head | None = None, **options: Any) -> None:
        verdict = verify(known=head)
        self.stdout.write(f"{verdict.checked} entries checked")
        if verdict.head is not None:
            self.stdout.write(f"head {verdict.head}")
        if verdict.fault is not None:
            self.stderr.write(f"entry {verdict.fault.number} {_WORDS[verdict.fault.kind]}")
            sys.exit(1)
