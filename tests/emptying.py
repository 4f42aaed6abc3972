"""How tests with transactions of their own leave the database: empty, but for what migrating filled in.

Django's way empties every table and fills rights and roles in anew, which takes a third of a second after each of these
tests. Here only tables with something in them are emptied; and rights and roles stay where they are as they were.
"""

from __future__ import annotations

from typing import Final

import pytest
from django.db import connection
from django.test import TransactionTestCase

#: What migrating fills. None of them refers to any other table.
_FILLED: Final = (
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "admin_portal_role",
)


class Tables:
    """The tables of the test database, and what stood in those that migrating filled."""

    def __init__(self) -> None:
        every = connection.introspection.django_table_names(only_existing=True, include_views=False)
        ours = sorted(set(every) - set(_FILLED))
        self._full = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in ours)
        self._rows = " UNION ALL ".join(
            f"SELECT md5(coalesce(string_agg(one::text, '' ORDER BY one::text), '')) FROM {name} one"
            for name in _FILLED
        )
        self.remember()

    def remember(self) -> None:
        """Takes what migrating filled as it is now."""
        self._kept = self._ask(self._rows)

    def empty(self) -> bool:
        """Empties what is full; False when that does not do, because a test has changed what migrating filled."""
        if self._ask(self._rows) != self._kept:
            return False
        if full := self._ask(self._full):
            with connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(full)} CASCADE")
        return True

    def _ask(self, query: str) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return [value for (value,) in cursor.fetchall()]


def empty_only_what_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on tests with transactions of their own end so. The database is as migrating left it."""
    tables = Tables()
    djangos_way = TransactionTestCase._fixture_teardown

    def end(test: TransactionTestCase) -> None:
        if not tables.empty():
            djangos_way(test)
            tables.remember()
            tables.empty()  # what filling in wrote into the audit

    monkeypatch.setattr(TransactionTestCase, "_fixture_teardown", end)
