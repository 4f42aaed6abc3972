"""The parts of the stack, each by itself: files, locks, tethers, ports, the Procfile, the terminal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from config import banner, leftovers, ports, procfile, stack, tether
from config.embedded import tethered
from config.processes import Program, configuration, records_folder
from config.terminal import Tail
from tests.conftest import WaitFor

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


# --- the Procfile ----------------------------------------------------------------------------------------------------


def test_comments_and_empty_lines_of_a_procfile_are_skipped() -> None:
    assert procfile.parse("# a comment\n\nweb: serve --port $PORT\n") == {"web": "serve --port $PORT"}


@pytest.mark.parametrize("text", ["web serve", "web:", "web: a\nweb: b"])
def test_a_malformed_procfile_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(procfile.ProcfileError, match=r"Procfile, line \d: "):
        procfile.parse(text)


def test_variables_become_whole_arguments() -> None:
    assert procfile.expand("serve -n a@%h --name ${NAME}", {"NAME": "two words"}) == (
        "serve",
        "-n",
        "a@%h",
        "--name",
        "two words",
    )


def test_a_variable_without_a_value_is_refused() -> None:
    with pytest.raises(procfile.ProcfileError, match="PORT"):
        procfile.expand("serve $PORT", {})


# --- files under DATA_DIR --------------------------------------------------------------------------------------------


def test_secrets_are_made_once_and_new_ones_join_them(tmp_path: Path) -> None:
    first = stack.load_or_create_secrets(tmp_path, lambda: {"key": "one"})
    second = stack.load_or_create_secrets(tmp_path, lambda: {"key": "two", "password": "new"})

    assert first == {"key": "one"}
    assert second == {"key": "one", "password": "new"}
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_data_dir_is_held_by_one_and_let_go(tmp_path: Path) -> None:
    with stack.held(tmp_path):
        assert stack.holder(tmp_path) == os.getpid()
        with pytest.raises(stack.AlreadyRunningError, match=str(os.getpid())), stack.held(tmp_path):
            pass

    assert stack.holder(tmp_path) is None


def test_sockets_of_a_deep_data_dir_go_where_the_kernel_takes_them(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    folder = stack.socket_folder(deep)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / f"control.sock.{2**22}"))
    (folder / f"control.sock.{2**22}").unlink()
    folder.rmdir()


# --- tethers and leftovers -------------------------------------------------------------------------------------------


def test_a_tethered_process_dies_with_its_parent(tmp_path: Path, wait_for: WaitFor) -> None:
    command = tethered(SLEEPER, record=tmp_path / "child")
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"])
    record = wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().split())
    child = psutil.Process(int(record[0]))
    wait_for(lambda: child.cmdline() == list(SLEEPER))

    parent.kill()
    parent.wait()

    child.wait(10)


def test_a_process_whose_tethered_parent_died_before_it_asked_does_not_begin(tmp_path: Path) -> None:
    begun = subprocess.run(
        tethered(SLEEPER, record=tmp_path / "child", parent_tethered=True),
        env={**os.environ, tether.PARENT_VARIABLE: str(2**22)},  # larger than any process id
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert begun.returncode == 1
    assert "is gone" in begun.stderr


def test_a_leftover_is_found_by_its_record_and_stopped(tmp_path: Path, wait_for: WaitFor) -> None:
    record = records_folder(tmp_path) / "worker"
    process = subprocess.Popen(tethered(SLEEPER, record=record))
    wait_for(record.exists)

    assert leftovers.stop(tmp_path) == ["worker"]
    assert process.wait(10) == -signal.SIGTERM
    assert leftovers.find(tmp_path) == []


def test_a_leftover_that_will_not_stop_is_killed(tmp_path: Path, wait_for: WaitFor) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    record = records_folder(tmp_path) / "worker"
    process = subprocess.Popen(tethered((sys.executable, "-c", stubborn), record=record), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    leftovers.stop(tmp_path, limit_s=0.2)

    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()


def test_a_process_that_only_got_the_same_id_is_left_alone(tmp_path: Path) -> None:
    record = records_folder(tmp_path) / "worker"
    record.parent.mkdir(parents=True)
    record.write_text(f"{os.getpid()}\nsomewhere/12345\nKILL\n")

    assert leftovers.stop(tmp_path) == []
    assert not record.exists()


def test_a_dead_process_has_no_start(wait_for: WaitFor) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    wait_for(lambda: tether.started_at(process.pid) is None)

    process.wait()


# --- supervisord, ports, terminal, banner ----------------------------------------------------------------------------


def test_percent_signs_reach_the_process_as_they_were(tmp_path: Path) -> None:
    program = Program(name="email", command=("celery", "-n", "email@%h"))
    text = configuration([program], data_dir=tmp_path, directory=tmp_path)

    command = next(line for line in text.splitlines() if line.startswith("command = ") and "celery" in line)
    assert shlex.split(command)[-1] == "email@%%h"


def test_a_port_that_is_taken_is_not_chosen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]

        assert not ports.is_free(taken)
        assert ports.choose(preferred=taken) != taken


def test_a_tail_follows_a_log_through_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("of an earlier run\n")
    tail = Tail(path)

    with path.open("a") as log:
        log.write("one\ntwo, unfinis")
    assert tail.read_lines() == [b"one"]
    with path.open("a") as log:
        log.write("hed\n")
    path.rename(tmp_path / "web.log.1")
    path.write_text("three\n")

    seen = [line for _ in range(3) for line in tail.read_lines()]
    assert seen == [b"two, unfinished", b"three"]
    tail.close()


def test_the_curl_of_the_banner_survives_the_shell() -> None:
    body = {"content": {"text": "it's 5 o'clock; $HOME `date`"}}
    command = banner.curl(web_url="http://127.0.0.1:1", demo={"api_key": "k-1", "curl": body})

    arguments = shlex.split(command.replace("\\\n", " "))
    assert json.loads(arguments[-1]) == body
    assert "Authorization: Bearer k-1" in arguments
