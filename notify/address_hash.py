"""A keyed hash of an address: to find what was sent to it by whoever knows it, and by nobody who only has the table.

Sixty-four bits of BLAKE2b with a key (RFC 7693), at a microsecond an address. Two addresses that share them do no harm:
whoever looks for one compares the address too. The key follows from FIELD_ENCRYPTION_KEYS: what was stored under
an older one is found as long as that one is still listed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from django.conf import settings

from channels import addresses
from channels.addresses import AddressInvalid
from channels.names import CHANNELS

_PURPOSE: Final = b"goutong: where an address is found again"
_SIZE: Final = 8

Hasher = Callable[[str], int]


@lru_cache(maxsize=8)
def _hasher(secret: str) -> Hasher:
    seed = hashlib.blake2b(key=hmac.digest(secret.encode(), _PURPOSE, "sha256"), digest_size=_SIZE)

    def hash_address(address: str) -> int:
        hashing = seed.copy()
        # A lone surrogate, which JSON can bring, has no place in UTF-8.
        hashing.update(address.encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashing.digest(), "big", signed=True)

    return hash_address


def of(address: str) -> int:
    """The hash to store with ``address``, which is normalised already: a bigint."""
    return _hasher(settings.FIELD_ENCRYPTION_KEYS[0])(address)


def readings(text: str) -> list[str]:
    """The addresses that ``text`` may stand for, each as its channel writes it, and ``text`` as it is."""
    found = {text: None}
    for channel in CHANNELS:
        try:
            found[addresses.normalize(channel, text)] = None
        except AddressInvalid:
            continue
    return list(found)


def candidates(written: list[str]) -> list[int]:
    """What may be stored with one of the addresses ``written``, under any of the keys."""
    return [_hasher(secret)(address) for secret in settings.FIELD_ENCRYPTION_KEYS for address in written]
