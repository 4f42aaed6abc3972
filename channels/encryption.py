"""Secrets at rest: a JSON field that the database only ever sees encrypted (Fernet, rotating keys)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from channels.errors import ChannelsError


class DecryptionFailed(ChannelsError):
    """A stored secret can't be read with any of FIELD_ENCRYPTION_KEYS."""


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(value: Any) -> str:
    """``value`` (anything JSON can hold), encrypted with the first of FIELD_ENCRYPTION_KEYS."""
    plain = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
    return _box(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(plain.encode()).decode()


def decrypt(token: str) -> Any:
    """The value behind ``token``. Raises DecryptionFailed when no key fits."""
    try:
        return json.loads(_box(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()))
    except InvalidToken as error:
        raise DecryptionFailed("no key of FIELD_ENCRYPTION_KEYS opens this value") from error


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]
    """JSON in Python, a Fernet token in the database. It can't be searched, and is not meant to be."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj), cls=DjangoJSONEncoder)
