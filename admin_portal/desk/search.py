"""Finding what was sent to somebody: by the whole address, which whoever asks must know. None is shown."""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg2.errors import QueryCanceled

from notify import address_hash
from notify.models import Delivery

logger = logging.getLogger(__name__)

#: The newest so many are found.
AT_MOST: Final = 500
#: How long the database may look, in milliseconds: what came in since its last VACUUM it reads row by row.
PATIENCE_MS: Final = 5000


def sent_to(text: str) -> list[UUID]:
    """The newest notifications with a message to the address that ``text`` is, as any channel would write it. What was
    accepted before there were hashes is not found."""
    written = address_hash.readings(text)
    rows = Delivery.objects.filter(address_hash__in=address_hash.candidates(written), address__in=written)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
            found = list(rows.order_by("-id").values_list("notification_id", flat=True)[:AT_MOST])
            cursor.execute("RESET statement_timeout")
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        logger.warning("an address could not be looked for within %s ms", PATIENCE_MS)
        return []
    return list(dict.fromkeys(found))
