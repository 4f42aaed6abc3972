"""The sandbox's reports of deliveries, to be posted to ``/api/v1/receipts/<provider>``: signed, several at once.

``{"reports": [{"id": …, "status": "delivered", "at": …, "detail": …}]}``, with the seconds since 1970 in one header and
``HMAC-SHA256(secret, "<seconds>.<body>")`` in another: the provider's ``callback_secret``, else ``shared_secret``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.crypto import salted_hmac

from channels.callbacks import sign

SIGNATURE: Final = "x-sandbox-signature"
TIMESTAMP: Final = "x-sandbox-timestamp"
DELIVERED: Final = "delivered"
UNDELIVERED: Final = "undelivered"
#: On its way: nothing to say yet.
ACCEPTED: Final = "accepted"


def shared_secret(provider: str) -> str:
    """What the sandbox signs with for ``provider``, where nothing else was agreed on: every process of one platform
    comes to the same."""
    return salted_hmac("channels.sandbox.reports", provider, algorithm="sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of the message that the provider calls ``id``."""

    id: str
    status: str
    at: datetime
    detail: str = ""


def write(reports: Sequence[Report], *, secret: str, now: datetime) -> tuple[Mapping[str, str], bytes]:
    """The headers and the body of the request that brings ``reports``."""
    body = json.dumps(
        {
            "reports": [
                {"id": one.id, "status": one.status, "at": one.at.isoformat(), "detail": one.detail} for one in reports
            ]
        },
        ensure_ascii=False,
    ).encode()
    signed_at = str(int(now.timestamp()))
    signature = sign(signed_at.encode() + b"." + body, secret=secret, method="hmac-sha256")
    return {"content-type": "application/json", TIMESTAMP: signed_at, SIGNATURE: signature}, body
