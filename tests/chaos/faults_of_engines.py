"""Valkey and PostgreSQL that go away, forget, freeze, or refuse."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Final

import psutil
import psycopg2
import redis

from tests.chaos import disk
from tests.chaos.fault import Cause, Expect, Fault
from tests.chaos.scene import Scene

_LEASE: Final = frozenset({Cause.LEASE})
#: Few enough that the lane is empty between two messages: each needs a bell of its own, and somebody who hears it.
_APART: Final = 5.0
_AWAY: Final = (
    "a worker that cannot renew its leases for as long as they last is as good as dead to the others: what it has "
    "under way is sent again"
)


def _again_and_again(scene: Scene, act: Callable[[Scene], None], *, every_s: float) -> None:
    """Does ``act`` over and over in a thread, until ``_leave_off``."""
    stop = threading.Event()

    def go_on() -> None:
        count = 0
        while not stop.wait(every_s):
            try:
                act(scene)
                count += 1
            except (redis.RedisError, psycopg2.Error):
                continue
        scene.notes["times"] = count

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    scene.kept["again"] = (stop, thread)


def _leave_off(scene: Scene) -> None:
    stop, thread = scene.kept.pop("again")
    stop.set()
    thread.join(30)


def worker_consumes(scene: Scene) -> bool:
    """Whether the sms worker itself, and not the lifeboat, has handed messages over in the last seconds."""
    return scene.workers_since(time.time() - 3)["sms"] > 0


# --- Valkey ----------------------------------------------------------------------------------------------------------


def _wipe(scene: Scene) -> None:
    with scene.valkey() as client:
        client.flushall()


def _freeze_valkey(scene: Scene) -> None:
    scene.kept["frozen"] = scene.pid("valkey")
    scene.signal("valkey", signal.SIGSTOP)


def _thaw(scene: Scene) -> None:
    psutil.Process(scene.kept["frozen"]).send_signal(signal.SIGCONT)


def _pause_clients(scene: Scene) -> None:
    with scene.valkey() as client:
        client.client_pause(6000)


def _reset_connections(scene: Scene) -> None:
    with scene.valkey() as client:
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)


VALKEY_STOPPED = Fault(
    name="valkey_stopped",
    what="Valkey stopped",
    ends="Valkey started again",
    expect=Expect(),
    inject=lambda scene: scene.stop("valkey"),
    heal=lambda scene: scene.start("valkey"),
    settled=worker_consumes,
    rate=_APART,
    lasts_s=8.0,
)
VALKEY_WIPED = Fault(
    name="valkey_wiped",
    what="FLUSHALL",
    ends="by itself",
    expect=Expect(),
    inject=_wipe,
    settled=worker_consumes,
    rate=_APART,
    lasts_s=2.0,
)
VALKEY_FROZEN = Fault(
    name="valkey_frozen",
    what="SIGSTOP of Valkey: connections are accepted by the kernel, and nothing is ever answered",
    ends="SIGCONT",
    expect=Expect(),
    inject=_freeze_valkey,
    heal=_thaw,
    settled=worker_consumes,
    rate=_APART,
    lasts_s=8.0,
)
VALKEY_PAUSED = Fault(
    name="valkey_paused",
    what="CLIENT PAUSE for six seconds",
    ends="by itself",
    expect=Expect(),
    inject=_pause_clients,
    settled=worker_consumes,
    rate=_APART,
    lasts_s=6.0,
)
VALKEY_RESETS = Fault(
    name="valkey_resets",
    what="every connection to Valkey killed ten times a second (the known bug: a worker lives on and consumes nothing)",
    ends="no more kills; the worker itself has to consume again",
    expect=Expect(),
    inject=lambda scene: _again_and_again(scene, _reset_connections, every_s=0.1),
    heal=_leave_off,
    settled=worker_consumes,
    rate=_APART,
    lasts_s=8.0,
)

# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def _terminate(scene: Scene) -> None:
    scene.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )


def _kill_postgres(scene: Scene) -> None:
    scene.signal("postgres", signal.SIGKILL)


def _set_read_only(scene: Scene) -> None:
    scene.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")


def _set_writable(scene: Scene) -> None:
    scene.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


_GROWING: Final = ("notify_notification", "notify_delivery", "notify_attempt", "notify_event")
_FULL: Final = """
CREATE FUNCTION chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$
"""


def _fill_disk(scene: Scene) -> None:
    scene.execute(
        _FULL,
        *(
            f"CREATE TRIGGER chaos BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION"
            " chaos_disk_full()"
            for table in _GROWING
        ),
    )


def _free_disk(scene: Scene) -> None:
    scene.execute("DROP FUNCTION IF EXISTS chaos_disk_full() CASCADE")


POSTGRES_RESTARTED = Fault(
    name="postgres_restarted",
    what="PostgreSQL stopped",
    ends="PostgreSQL started again",
    expect=Expect(refusals=True),
    inject=lambda scene: scene.stop("postgres"),
    heal=lambda scene: scene.start("postgres"),
    lasts_s=3.0,
)
POSTGRES_KILLED = Fault(
    name="postgres_killed",
    what="kill -9 of PostgreSQL",
    ends="the supervisor starts it, and it recovers from its log",
    expect=Expect(refusals=True),
    inject=_kill_postgres,
    lasts_s=3.0,
)
POSTGRES_TERMINATED = Fault(
    name="postgres_terminated",
    what="pg_terminate_backend for every connection, four times a second",
    ends="no more terminations",
    expect=Expect(refusals=True),
    inject=lambda scene: _again_and_again(scene, _terminate, every_s=0.25),
    heal=_leave_off,
    lasts_s=4.0,
)
POSTGRES_READ_ONLY = Fault(
    name="postgres_read_only",
    what="default_transaction_read_only = on, as during a fail-over, for longer than a lease",
    ends="writable again",
    expect=Expect(refusals=True, duplicates=_LEASE, why=_AWAY),
    inject=_set_read_only,
    heal=_set_writable,
    lasts_s=8.0,
)
POSTGRES_DISK_FULL = Fault(
    name="postgres_disk_full",
    what="every INSERT and UPDATE of the growing tables fails with SQLSTATE 53100 (disk_full), raised by a trigger, "
    "for longer than a lease",
    ends="the trigger is dropped",
    expect=Expect(refusals=True, duplicates=_LEASE, why=_AWAY),
    inject=_fill_disk,
    heal=_free_disk,
    lasts_s=8.0,
)
POSTGRES_NO_ROOM = Fault(
    name="postgres_no_room",
    what="no file of PostgreSQL may grow (RLIMIT_FSIZE): what fits into pages that are there goes on, the rest fails",
    ends="the limit is lifted",
    expect=Expect(refusals=True, duplicates=_LEASE, why=_AWAY),
    prepare=disk.prepare,
    inject=disk.fill,
    heal=disk.free,
    lasts_s=8.0,
)
