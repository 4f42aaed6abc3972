"""Indexes of partitioned tables, made while the platform runs."""

from __future__ import annotations

from typing import Any, Final

from django.db.migrations import AddIndex
from django.db.migrations.state import ProjectState

#: Whoever waits for a table has everybody behind him.
_LOCK_TIMEOUT: Final = "SET lock_timeout = '5s'"


class AddPartitionedIndexConcurrently(AddIndex):
    """AddIndex for a partitioned table that nobody has to wait for. PostgreSQL makes no such index concurrently: it is
    made for each partition, and these are attached to one that has none of its own
    (https://www.postgresql.org/docs/18/ddl-partitioning.html). Begun and not ended, it can be run again. The migration
    says ``atomic = False``."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        table, name = model._meta.db_table, self.index.name
        parts = self.index.create_sql(model, schema_editor).parts
        what = f"{parts['using']} ({parts['columns']}){parts['include']}{parts['extra']}{parts['condition']}"
        schema_editor.execute(_LOCK_TIMEOUT)
        try:
            schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {what}")
            for partition in _partitions(schema_editor, table):
                own = f"{partition}{name.removeprefix(table)}"
                if _is_invalid(schema_editor, own):  # begun before, and not ended
                    schema_editor.execute(f"DROP INDEX CONCURRENTLY {own}")
                schema_editor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {own} ON {partition} {what}")
                schema_editor.execute(f"ALTER INDEX {name} ATTACH PARTITION {own}")
        finally:
            schema_editor.execute("RESET lock_timeout")


def _partitions(schema_editor: Any, table: str) -> list[str]:
    """All there are: attaching once more changes nothing, and one that came meanwhile brought its index along."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass ORDER BY c.relname",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _is_invalid(schema_editor: Any, index: str) -> bool:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index])
        row = cursor.fetchone()
        return bool(row and row[0])
