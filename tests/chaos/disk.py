"""A disk without room for another page, by the kernel's own refusal and without root: RLIMIT_FSIZE of PostgreSQL.

The limit is one for all files of a process, so the tables that grow are first made equally long (by inserts that are
rolled back, with autovacuum held off), and then no file may become longer than that. Segments of the log are shorter.
What fits into pages that are there goes on, and whatever needs a new page fails: as on a full disk.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import Any, Final

import psutil

from tests.chaos.scene import Scene

#: Longer than a segment of the write-ahead log (16 MB), which has to go on.
_PAGES: Final = 17 * 1024 * 1024 // 8192
#: Of each growing table, a column that takes any text.
_PADDED: Final = {
    "notify_notification": "callback_url",
    "notify_delivery": "error_detail",
    "notify_attempt": "error_detail",
    "notify_event": "reason",
}
_PAD: Final = """
INSERT INTO {table}
SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(one) || jsonb_build_object(
           'id', left(one.id::text, 24) || substr(md5(random()::text || series.number), 1, 12),
           '{column}', repeat(md5(series.number::text), 55)))).*
  FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) one, generate_series(1, %s) series (number)
"""


def prepare(scene: Scene) -> None:
    """Makes the tables that grow equally long."""
    with scene.database() as cursor:
        partitions = {table: partition for table in _PADDED if (partition := _partition(cursor, table))}
        scene.kept["padded"] = list(partitions.values())
        for partition in partitions.values():
            cursor.execute(f"ALTER TABLE {partition} SET (autovacuum_enabled = off)")
        _level(cursor, partitions, _PAGES)
    scene.kept["partitions"] = partitions


def fill(scene: Scene) -> None:
    """Leaves no table that grows a page more than it has."""
    with scene.database() as cursor:
        pages = _PAGES
        for _again in range(2):  # they grow while we pad
            pages = _level(cursor, scene.kept["partitions"], pages)
    _limit(scene, pages * 8192)


def _level(cursor: Any, partitions: dict[str, str], pages: int) -> int:
    """Makes ``partitions`` so many pages long; returns how long the longest is by then."""
    for table, partition in partitions.items():
        _pad(cursor, table, partition, pages)
    return max(_pages(cursor, partition) for partition in partitions.values())


def free(scene: Scene) -> None:
    """Makes room again."""
    partitions = scene.kept.pop("padded", ())
    if partitions:
        _limit(scene, resource.RLIM_INFINITY)
    for partition in partitions:
        scene.execute(f"ALTER TABLE {partition} RESET (autovacuum_enabled)")


def _partition(cursor: Any, table: str) -> str:
    """The partition in use; empty when there is no row to go by."""
    cursor.execute(f"SELECT tableoid::regclass::text FROM {table} ORDER BY id DESC LIMIT 1")
    found = cursor.fetchone()
    return str(found[0]) if found else ""


def _pages(cursor: Any, partition: str) -> int:
    cursor.execute("SELECT pg_relation_size(%s::regclass) / 8192", [partition])
    return int(cursor.fetchone()[0])


def _pad(cursor: Any, table: str, partition: str, pages: int) -> None:
    """Makes ``partition`` that many pages long, with rows that never were."""
    while (missing := pages - _pages(cursor, partition)) > 0:
        cursor.execute("BEGIN")
        cursor.execute(_PAD.format(table=table, column=_PADDED[table]), [missing * 2])  # a page takes three or four
        cursor.execute("ROLLBACK")


def _limit(scene: Scene, length: int) -> None:
    server = psutil.Process(scene.pid("postgres"))
    pids = [server.pid, *(child.pid for child in server.children(recursive=True))]
    child = os.fork()
    if child:
        _pid, status = os.waitpid(child, 0)
        assert status == 0, "the limit could not be set"
        return
    code = 1
    try:
        if os.geteuid() == 0:  # root in a container often may not do it for another user, but that user may
            os.setgid(server.gids().real)
            os.setuid(server.uids().real)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # a connection that has ended
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (length, resource.RLIM_INFINITY))
        code = 0
    finally:
        os._exit(code)
