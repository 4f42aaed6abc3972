"""Who takes in what providers report: the adapter of each provider that does, kept while its configuration stands.

Providers that are switched off are heard all the same: they still report on what they took before. So are those that a
drill plays, under the names they have on its stage.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from channels import registry
from channels.adapters.base import Adapter
from channels.callbacks import NobodyListens
from channels.encryption import DecryptionFailed
from channels.errors import ConfigurationError
from channels.models import Provider
from channels.names import is_staged, off_stage
from channels.types import CallbackRequest, DeliveryEvent

logger = logging.getLogger(__name__)

#: Of no provider more than this is kept here.
_KEPT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a callback said, and what its provider wants to read in return (empty: nothing in particular)."""

    events: tuple[DeliveryEvent, ...]
    answer: str = ""


class _Adapters:
    """Those that have been needed, by their providers' names."""

    kept: Final[dict[str, tuple[datetime, Adapter]]] = {}
    lock: Final = Lock()


def check_listens(provider: str) -> None:
    """Raises NobodyListens unless ``provider`` is one that reports."""
    _adapter(provider)


def parse_callback(*, provider: str, request: CallbackRequest) -> Callback:
    """What ``request`` says, if it comes from ``provider``. Raises NobodyListens, CallbackForged or CallbackUnreadable,
    and DatabaseError."""
    adapter = _adapter(provider)
    return Callback(events=tuple(adapter.parse_callback(request)), answer=adapter.callback_answer)


def _adapter(provider: str) -> Adapter:
    if "\0" in provider:  # PostgreSQL holds no such name, and won't be asked for one
        raise NobodyListens("there is no such provider")
    version = Provider.objects.filter(name=off_stage(provider)).values_list("updated_at", flat=True).first()
    if version is None:
        raise NobodyListens("there is no such provider")
    known = _Adapters.kept.get(provider)
    if known is None or known[0] != version:
        known = (version, _build(provider))
        with _Adapters.lock:
            while len(_Adapters.kept) >= _KEPT:
                _Adapters.kept.pop(next(iter(_Adapters.kept)))
            _Adapters.kept[provider] = known
    if not known[1].takes_callbacks:
        raise NobodyListens("this provider reports nothing")
    return known[1]


def _build(provider: str) -> Adapter:
    if is_staged(provider):
        return registry.build(adapter="sandbox", provider=provider, config={"receipts": "later"}, concurrency=1)
    try:
        row = Provider.objects.get(name=provider)
        return registry.build(adapter=row.adapter, provider=provider, config=row.config or {}, concurrency=1)
    except Provider.DoesNotExist:
        raise NobodyListens("there is no such provider") from None
    except (ConfigurationError, DecryptionFailed) as error:
        logger.error("provider %s can't be heard: its configuration is not sound (%s)", provider, type(error).__name__)  # noqa: TRY400
        raise NobodyListens("this provider is not configured") from error
