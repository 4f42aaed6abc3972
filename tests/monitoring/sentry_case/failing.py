"""What fails, and the data that must not leave with the report."""

from __future__ import annotations

import logging
from typing import NoReturn

PHONE = "+8613800001234"
EMAIL = "zhang.wei@example.com"
KEY = "gt_live_Ab12Cd34Ef56Gh78Ij90"
SECRETS = (PHONE, EMAIL, KEY)

log = logging.getLogger("tests.failing")


class FailingError(Exception):
    """Nobody expected this."""


def fail() -> NoReturn:
    """Fails like code fails: data in its variables, its log lines and its message."""
    phone, email, key = PHONE, EMAIL, KEY
    log.info("sending to %s and zhang.wei@example.com", phone, extra={"address": email})
    raise FailingError(f"could not reach {phone} or {email} with {key}, that is +8613800001234")
