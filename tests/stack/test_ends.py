"""However a stack ends, no process of it stays, and the next start finds the data."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import psutil
import psycopg2
import pytest

from config import stack
from tests.conftest import WaitFor
from tests.stack.live import LiveStack

#: One process of each kind is enough to see how a stack ends, and starts sooner.
FEW = "web,email,beat"

pytestmark = pytest.mark.xdist_group("stack_ends")


@pytest.fixture(scope="module")
def only_one() -> Iterator[LiveStack]:
    """The stack of every test here: each begins with what the one before left, which is data and perhaps a start."""
    with LiveStack(only=FEW, WEB_WORKERS="1") as made:
        yield made


@pytest.fixture
def still(only_one: LiveStack) -> LiveStack:
    """It does not run."""
    only_one.end()
    return only_one


@pytest.fixture
def live(only_one: LiveStack) -> LiveStack:
    """It runs."""
    if not only_one.is_ready():
        only_one.end()
        only_one.start()
        only_one.wait_until_ready()
    return only_one


def write_note(live: LiveStack, text: str) -> None:
    with psycopg2.connect(live.addresses()["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS note; CREATE TABLE note (text text)")
        cursor.execute("INSERT INTO note VALUES (%s)", [text])
    connection.close()


def read_notes(live: LiveStack) -> list[str]:
    with psycopg2.connect(live.addresses()["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM note")
        notes = [row[0] for row in cursor.fetchall()]
    connection.close()
    return notes


def supervisord_of(live: LiveStack) -> psutil.Process:
    return next(process for process in live.remains() if "supervisor.supervisord" in process.cmdline())


def test_ctrl_c_leaves_no_process_and_the_next_start_finds_the_data(live: LiveStack) -> None:
    write_note(live, "kept")

    os.killpg(live.process.pid, signal.SIGINT)

    assert live.process.wait(60) == 0
    assert live.remains() == []
    assert live.addresses() == {}

    live.start()
    live.wait_until_ready()
    assert read_notes(live) == ["kept"]


def test_closing_the_terminal_leaves_no_process(live: LiveStack) -> None:
    assert live.stop(signal.SIGHUP) == 0
    assert live.remains() == []


def test_after_kill_9_of_the_conductor_all_ends_and_the_next_start_finds_the_data(
    live: LiveStack, wait_for: WaitFor
) -> None:
    write_note(live, "kept")

    live.process.kill()
    live.process.wait(5)
    wait_for(lambda: live.remains() == [], timeout=60, message="every process ends by itself")

    live.start()
    live.wait_until_ready()
    assert read_notes(live) == ["kept"]


def test_a_start_right_after_kill_9_of_everything_in_charge_works(live: LiveStack) -> None:
    write_note(live, "kept")

    supervisord = supervisord_of(live)
    live.process.kill()
    supervisord.kill()
    live.process.wait(5)

    live.start()
    live.wait_until_ready()
    assert read_notes(live) == ["kept"]


def test_when_supervisord_is_killed_the_stack_ends_with_an_error(live: LiveStack, wait_for: WaitFor) -> None:
    supervisord_of(live).kill()

    assert live.process.wait(60) == 1
    # One that supervisord had just begun to start may still find out that its parent is gone.
    wait_for(lambda: live.remains() == [], timeout=20, message="every process ends by itself")
    assert "the supervisor of the processes died" in live.said()


def test_a_lock_file_whose_process_id_went_to_another_does_not_stop_postgres(live: LiveStack) -> None:
    assert live.stop() == 0
    lock = live.data_dir / "pg" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{live.data_dir}/pg\n")

    live.start()
    live.wait_until_ready()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_to_make_alone_ends_the_stack(still: LiveStack, wait_for: WaitFor, number: signal.Signals) -> None:
    still.start("make", "run", f"RUN_ARGS=--only {FEW}")
    still.wait_until_ready()

    still.stop(number)

    wait_for(lambda: still.remains() == [], timeout=60, message="every process ends")
    assert stack.holder(still.data_dir) is None
