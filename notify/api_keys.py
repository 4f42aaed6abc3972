"""API keys: made once, shown once, recognised by their hash."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models.signals import post_delete, post_save

from channels import signals
from notify import prepared
from notify.databases import drop_closed_connection
from notify.errors import FieldError, InvalidRequest
from notify.models import ApiKey, Application
from notify.models.application import Scope
from notify.prepared import Prepared

logger = logging.getLogger(__name__)

#: Times near the year 9999 can be stored in one time zone and not be read in another.
_LAST_YEAR: Final = 9000
_RANDOM_BYTES: Final = 32
_PREFIX_LENGTH: Final = 16
_USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)
DEFAULT_SCOPES: Final = (Scope.SEND.value, Scope.READ.value)


def _hash(plain: str) -> str:
    # Slow hashes protect passwords, which people choose and machines can guess. These keys are 256 random bits: no
    # guessing gets anywhere, whatever a guess costs, and a slow hash would only be paid on each of our own requests.
    return hashlib.sha256(plain.encode()).hexdigest()


def check_networks(networks: Sequence[str]) -> list[str]:
    """Addresses and networks, normalised (``10.0.0.1/8`` -> ``10.0.0.0/8``). Raises ValueError for the first that is
    neither."""
    return [str(ipaddress.ip_network(network.strip(), strict=False)) for network in networks]


def _check(*, scopes: Sequence[str], allowed_ips: Sequence[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        known = ", ".join(Scope.values)
        raise InvalidRequest(errors=[FieldError("scopes", "not_allowed", f"Choose one or more of: {known}.")])
    try:
        return check_networks(allowed_ips)
    except ValueError:
        detail = "Write IP addresses or networks, such as 10.0.0.0/8."
        raise InvalidRequest(errors=[FieldError("allowed_ips", "wrong_format", detail)]) from None


def create(
    *,
    application: Application,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    is_test: bool = False,
    name: str = "",
    expires_at: datetime | None = None,
    allowed_ips: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is not kept anywhere. Raises InvalidRequest for an unknown scope, a network
    that is none, or an expiry that no calendar of ours reaches."""
    networks = _check(scopes=scopes, allowed_ips=allowed_ips)
    if expires_at is not None and expires_at.year > _LAST_YEAR:
        detail = f"Write a year up to {_LAST_YEAR}, or none for a key that does not expire."
        raise InvalidRequest(detail, errors=[FieldError("expires_at", "too_far_ahead", detail)])
    while True:
        plain = f"gt_{'test' if is_test else 'live'}_{secrets.token_urlsafe(_RANDOM_BYTES)}"
        key = ApiKey(
            application=application,
            name="".join(character for character in name if character.isprintable())[:64],
            prefix=plain[:_PREFIX_LENGTH],
            hash=_hash(plain),
            scopes=list(dict.fromkeys(scopes)),
            is_test=is_test,
            allowed_ips=networks,
            expires_at=expires_at,
        )
        try:
            with transaction.atomic():
                key.save(force_insert=True)
                signals.send_changed(action="key.created", target=f"key:{key.prefix}", after=_described(key))
        except IntegrityError:
            if not ApiKey.objects.filter(prefix=key.prefix).exists():
                raise
            continue  # the prefix, 48 random bits, is another key's
        return key, plain


def revoke(*, key: ApiKey, now: datetime) -> bool:
    """Ends ``key`` for good: at once in this process, within a second in others. False when it was revoked before."""
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)
        if changed:
            signals.send_changed(action="key.revoked", target=f"key:{key.prefix}", before=_described(key))
    forget()
    key.refresh_from_db(fields=["revoked_at"])
    return bool(changed)


def _described(key: ApiKey) -> dict[str, Any]:
    """What people may know of a key."""
    names = ("name", "scopes", "is_test", "allowed_ips", "expires_at")
    return {"application": key.application.name, **{name: getattr(key, name) for name in names}}


# --- the hot path: one query, no ORM query building -------------------------------------------------------------------


@lru_cache(maxsize=1)
def _lookup() -> tuple[str, list[str], list[str]]:
    """The SQL of the one query of authentication, as the ORM writes it, and the fields it selects. Kept, because
    writing it costs more than running it. Callback secrets stay in the database: nobody needs them here."""
    key_fields = [field.attname for field in ApiKey._meta.concrete_fields]
    application_fields = [
        field.attname for field in Application._meta.concrete_fields if field.attname != "signing_secret"
    ]
    columns = [*key_fields, *(f"application__{name}" for name in application_fields)]
    query = ApiKey.objects.filter(prefix="?").values_list(*columns).query
    sql, _parameters = query.sql_with_params()
    return sql, key_fields, application_fields


_KEY: Final = Prepared("key", lambda: _lookup()[0])


def _fetch(prefix: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        prepared.run(cursor, (_KEY, [prefix]))
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


#: How long a key that was found is believed. What is revoked or changed counts everywhere after this; at once in the
#: process where it was done.
_BELIEVED_S: Final = 1.0
_KEPT: Final = 1024
#: Keys by their hashes, and until when (time.monotonic()).
_believed: Final[dict[str, tuple[ApiKey, float]]] = {}


def forget(**_signal: object) -> None:
    """Makes this process look up every key anew."""
    _believed.clear()


for _model in (ApiKey, Application):
    post_save.connect(forget, sender=_model)
    post_delete.connect(forget, sender=_model)


def find(plain: str) -> ApiKey | None:
    """The key whose plain text is ``plain``, with its application, whatever its state; None when there is none. What
    was found in the last second is not looked up again.

    A connection that died since the last request (PostgreSQL was restarted) is replaced, once."""
    digest = _hash(plain)
    key, until = _believed.get(digest, (None, 0.0))
    if key is not None and time.monotonic() < until:
        drop_closed_connection()
        return key
    key = _look_up(plain, digest)
    if key is not None:
        if len(_believed) >= _KEPT:
            _believed.clear()
        _believed[digest] = key, time.monotonic() + _BELIEVED_S
    return key


def _look_up(plain: str, digest: str) -> ApiKey | None:
    prefix = plain[:_PREFIX_LENGTH]
    try:
        row = _fetch(prefix)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        row = _fetch(prefix)
    if row is None:
        return None
    _sql, key_fields, application_fields = _lookup()
    split = len(key_fields)
    key = ApiKey.from_db("default", key_fields, row[:split])
    if not hmac.compare_digest(key.hash, digest):
        return None
    key.application = Application.from_db("default", application_fields, row[split:])
    return key


def note_use(*, key: ApiKey, now: datetime) -> None:
    """Remembers that ``key`` was used, at most once a minute. A database that can't be written to right now (a
    replica, a change of leader) is no reason to refuse a request that may only read."""
    if key.last_used_at is not None and now - key.last_used_at < _USE_IS_NOTED_EVERY:
        return
    try:
        with transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).exclude(last_used_at__gt=now - _USE_IS_NOTED_EVERY).update(
                last_used_at=now
            )
        key.last_used_at = now
    except DatabaseError as error:
        logger.warning("the use of a key could not be noted: %s", type(error).__name__)


@lru_cache(maxsize=1024)
def _networks(allowed: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(network, strict=False) for network in allowed)


def allows_address(allowed: Sequence[str], address: str) -> bool:
    """Whether ``address`` is in one of the networks of ``allowed``; an empty list allows every address."""
    if not allowed:
        return True
    try:
        parsed = ipaddress.ip_address(address)
        networks = _networks(tuple(allowed))
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in networks)
