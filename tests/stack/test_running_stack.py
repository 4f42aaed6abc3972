"""A stack that runs: what it publishes, what it restarts, what it refuses."""

from __future__ import annotations

import os
import signal

import psycopg2
import pytest
import redis

from tests.conftest import WaitFor
from tests.stack.live import LiveStack, MakeStack

pytestmark = pytest.mark.xdist_group("live_stack")


def test_a_management_command_with_the_same_data_dir_finds_the_servers(live_stack: LiveStack) -> None:
    migrations = live_stack.manage_from_nothing("showmigrations", "--plan")

    assert migrations.returncode == 0, migrations.stderr
    assert "[X]  notify.0001_initial" in migrations.stdout


def test_the_addresses_are_readable_by_their_owner_only(live_stack: LiveStack) -> None:
    path = live_stack.data_dir / "run" / "stack.json"

    assert path.stat().st_mode & 0o777 == 0o600


def test_valkey_wants_its_password(live_stack: LiveStack) -> None:
    port = redis.Redis.from_url(live_stack.addresses()["redis_url"]).connection_pool.connection_kwargs["port"]

    with pytest.raises(redis.AuthenticationError), redis.Redis(port=port) as client:
        client.ping()


def test_postgres_keeps_its_promises_on_disk(live_stack: LiveStack) -> None:
    connection = psycopg2.connect(live_stack.addresses()["database_url"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on", "on")
    connection.close()


def test_postgres_writes_no_statement_and_no_row_into_its_log(live_stack: LiveStack, wait_for: WaitFor) -> None:
    connection = psycopg2.connect(live_stack.addresses()["database_url"])
    connection.autocommit = True
    with connection.cursor() as cursor, pytest.raises(psycopg2.errors.UniqueViolation):
        cursor.execute(
            "CREATE TEMP TABLE people (phone text PRIMARY KEY);"
            "INSERT INTO people VALUES ('+8613877770000'), ('+8613877770000')"
        )
    connection.close()
    log = live_stack.data_dir / "logs" / "postgres.log"
    wait_for(lambda: "duplicate key" in log.read_text())
    assert "+8613877770000" not in log.read_text()


@pytest.mark.parametrize("name", ["web", "valkey", "postgres", "email", "beat"])
def test_a_process_that_is_killed_comes_back(live_stack: LiveStack, wait_for: WaitFor, name: str) -> None:
    wait_for(lambda: live_stack.state(name).state == "RUNNING", timeout=30, message=f"{name} runs")
    before = live_stack.pids(name)

    os.kill(before[0], signal.SIGKILL)

    wait_for(
        lambda: live_stack.state(name).state == "RUNNING" and live_stack.state(name).pid != before[0],
        timeout=30,
        message=f"{name} runs again",
    )
    live_stack.wait_until_ready()
    wait_for(lambda: not {process.pid for process in live_stack.remains()} & set(before), message="the old ones went")


def test_an_operator_stops_and_starts_one_process(live_stack: LiveStack, wait_for: WaitFor) -> None:
    assert live_stack.ctl("stop", "sms").returncode == 0
    assert live_stack.state("sms").state == "STOPPED"

    assert live_stack.ctl("start", "sms").returncode == 0
    wait_for(lambda: live_stack.state("sms").state == "RUNNING", timeout=30)


def test_an_unknown_process_is_refused_by_name(live_stack: LiveStack) -> None:
    refused = live_stack.ctl("stop", "nobody")

    assert refused.returncode == 1
    assert refused.stderr.startswith("goutong: nobody: ")


def test_a_second_run_on_the_same_data_is_refused_with_one_line(live_stack: LiveStack, make_stack: MakeStack) -> None:
    second = make_stack(data_dir=live_stack.data_dir)
    second.output = live_stack.data_dir / "second.txt"
    second.start()

    assert second.process.wait(30) == 1
    assert second.output.read_text().splitlines() == [
        f"goutong: a stack is already running in {live_stack.data_dir} (process {live_stack.process.pid})"
    ]


def test_a_taken_port_is_refused_by_its_setting(live_stack: LiveStack, make_stack: MakeStack) -> None:
    second = make_stack(PORT=str(live_stack.port))
    second.start()

    assert second.process.wait(30) == 1
    assert "choose another with PORT=" in second.output.read_text()


def test_two_stacks_run_side_by_side(live_stack: LiveStack, make_stack: MakeStack) -> None:
    other = make_stack(only="web,control")
    other.start()
    other.wait_until_ready()

    assert other.addresses().keys() == live_stack.addresses().keys()
    assert not set(other.addresses().values()) & set(live_stack.addresses().values())
    assert other.stop() == 0
    assert other.remains() == []
    live_stack.wait_until_ready()
