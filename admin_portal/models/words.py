"""A column for reasons that the platform or a person gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from admin_portal.kept_words import Sayable, pack, unpack

if TYPE_CHECKING:
    _Text = models.TextField[Sayable, Sayable]
else:
    _Text = models.TextField


class WordsField(_Text):
    """Text, as the database and the migrations see it. The platform's own words are said in the language of whoever
    reads the row; a person's, and what was written before there was this field, as they were written."""

    def deconstruct(self) -> Any:
        """A column of text: there is nothing to migrate."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs

    def from_db_value(self, value: str | None, *_args: Any) -> Sayable | None:
        """As it is read."""
        return None if value is None else unpack(value)

    def to_python(self, value: Any) -> Any:
        """Words stay words."""
        return value

    def get_prep_value(self, value: Any) -> Any:
        """As it is written."""
        return None if value is None else pack(value)
