"""One run of the whole stack: servers, migrations, web, workers, until somebody says stop.

Supervisord keeps each process alive; the conductor decides the order, tells the person what happens, and leaves nothing
behind. If the conductor is killed, the kernel tells supervisord, which stops everything in order; if supervisord is
killed, the kernel tells every process, and the conductor goes.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from config import embedded, leftovers, procfile, stack
from config.embedded import Server, tethered
from config.env import BASE_DIR, Environment
from config.processes import (
    Program,
    Supervisor,
    SupervisorUnreachableError,
    configuration,
    logs_folder,
    records_folder,
)
from config.surroundings import MakeWatch, Surroundings
from config.terminal import Terminal

_DEMO_PROCESSES: Final = ("sandbox", "traffic")
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: Let the web have the processors to itself until it answers, but not longer than this: deliveries must go on.
_WEB_FIRST_S: Final = 15.0
#: One Ctrl-C may reach us twice (from the terminal, and through make); only a later one means "at once".
_PATIENCE_S: Final = 2.0


class StartError(Exception):
    """The stack cannot start; the message says why, in words for the person at the terminal."""


class StopRequested(Exception):
    """A signal asked the stack to stop."""


def _select(commands: Mapping[str, str], *, demo: bool, only: Sequence[str] | None) -> dict[str, str]:
    unknown = set(only or ()) - commands.keys()
    if unknown:
        raise procfile.ProcfileError(f"the Procfile has no process {', '.join(sorted(unknown))}")
    wanted = only or [name for name in commands if demo or name not in _DEMO_PROCESSES]
    return {name: command for name, command in commands.items() if name in wanted}


class Conductor:
    """Runs the stack of one DATA_DIR. ``run`` blocks until it has stopped; the caller holds the stack's lock."""

    def __init__(self, environment: Environment, *, only: Sequence[str] | None, follow_parent: bool) -> None:
        self._environment = environment
        self._data_dir = environment.data_dir
        self._surroundings = Surroundings(environment)
        self._commands = _select(procfile.read(BASE_DIR / "Procfile"), demo=environment.demo, only=only)
        self._make = MakeWatch() if follow_parent else None
        self._supervisor = Supervisor(self._data_dir)
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._terminal = Terminal()
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._signals: list[float] = []

    def run(self) -> int:
        """Starts everything, keeps it running, stops it. Returns the exit code."""
        for number in _STOP_SIGNALS:
            if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN):  # under nohup
                signal.signal(number, self._on_signal)
        self._clear()
        servers = self._surroundings.servers()
        code = 0
        try:
            self._launch(servers)
            self._keep_running()
        except StopRequested:
            pass
        except StartError as error:
            self._say(str(error))
            code = 1
        finally:
            self._stop()
            self._terminal.close()
        return code

    # --- starting ----------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        """Removes what an earlier run that was killed left behind."""
        stack.addresses_path(self._data_dir).unlink(missing_ok=True)
        stopped = leftovers.stop(self._data_dir)
        if stopped:
            self._say(f"stopped what an earlier run had left: {', '.join(stopped)}")
        run = self._data_dir / "run"
        shutil.rmtree(run / "metrics", ignore_errors=True)
        static = self._data_dir / "static"  # nothing is collected into it, but WhiteNoise looks
        for folder in (run, static, logs_folder(self._data_dir), records_folder(self._data_dir)):
            folder.mkdir(parents=True, exist_ok=True)

    def _launch(self, servers: list[Server]) -> None:
        environment = self._surroundings.for_processes()
        programs = [
            *(
                Program(name=server.name, command=server.command, stop_signal=server.stop_signal, user=server.user)
                for server in servers
            ),
            *(Program(name=name, command=procfile.expand(text, environment)) for name, text in self._commands.items()),
        ]
        self._start_supervisord(programs, environment)
        for server in servers:
            self._say(f"starting {server.name}")
        self._supervisor.start(server.name for server in servers)
        for server in servers:
            self._wait_for(server.is_ready, process=server.name)
        for server in servers:
            if server.name == "postgres":
                embedded.create_database(server.url)
        stack.write_private(stack.addresses_path(self._data_dir), self._surroundings.addresses(servers))
        self._say("migrating the database")
        self._manage("migrate", "--noinput", environment=environment)
        first = [name for name in ("web", "sandbox") if name in self._commands]
        self._supervisor.start(first)
        demo = self._load_demo(environment) if self._environment.demo else None
        deadline = time.monotonic() + _WEB_FIRST_S
        while "web" in first and not self._web_is_ready() and time.monotonic() < deadline:
            self._pause(0.2)
        self._supervisor.start(name for name in self._commands if name not in first)
        while "web" in first and not self._web_is_ready():
            self._look_after()
            self._pause(0.5)
        self._say(self._surroundings.banner(demo))

    def _start_supervisord(self, programs: list[Program], environment: dict[str, str]) -> None:
        path = self._data_dir / "run" / "supervisord.conf"
        path.write_text(configuration(programs, data_dir=self._data_dir, directory=BASE_DIR))
        command = (sys.executable, "-m", "supervisor.supervisord", "-c", str(path))
        self._supervisord = self._spawn(leftovers.SUPERVISOR, command, environment=environment)
        while not self._supervisor.answers():
            self._pause(0.1)
        names = [leftovers.SUPERVISOR, *(program.name for program in programs)]
        self._terminal.follow(logs_folder(self._data_dir), names)

    def _spawn(self, name: str, command: tuple[str, ...], **options: Any) -> subprocess.Popen[bytes]:
        """A child of our own, in a session of its own: a Ctrl-C at the terminal is ours alone to handle."""
        environment = options.pop("environment")
        log = (logs_folder(self._data_dir) / f"{name}.log").open("ab")
        with log:
            return subprocess.Popen(
                tethered(command, record=records_folder(self._data_dir) / name),
                **{"stdout": log, "stderr": log, **options},
                env={**environment, "PROCESS_NAME": name},
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _wait_for(self, is_ready: Callable[[], bool], *, process: str) -> None:
        told = time.monotonic()
        while not is_ready():
            if self._supervisor.state(process).state == "FATAL":
                raise StartError(f"{process} does not start:\n{self._last_lines(process)}")
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self._say(f"still waiting for {process} (after a crash it may have work to do)")
            self._pause(0.1)

    def _manage(self, *arguments: str, environment: dict[str, str]) -> None:
        child = self._spawn(arguments[0], (sys.executable, "manage.py", *arguments), environment=environment)
        self._helpers.append(child)
        while child.poll() is None:
            self._pause(0.1)
        if child.returncode != 0:
            raise StartError(f"`manage.py {' '.join(arguments)}` failed:\n{self._last_lines(arguments[0])}")

    def _load_demo(self, environment: dict[str, str]) -> dict[str, Any] | None:
        command = (sys.executable, "manage.py", "load_demo")
        child = self._spawn("load_demo", command, environment=environment, stdout=subprocess.PIPE)
        self._helpers.append(child)
        while child.poll() is None:
            self._pause(0.1)
        output = child.communicate()[0]
        if child.returncode != 0:
            self._say(f"the demo could not be loaded:\n{self._last_lines('load_demo')}")
            return None
        loaded: dict[str, Any] = json.loads(output)
        return loaded

    def _web_is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self._surroundings.host, self._surroundings.port, timeout=2)
        try:
            connection.request("GET", "/readyz", headers={"Host": self._surroundings.known_host})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # --- running -----------------------------------------------------------------------------------------------------

    def _keep_running(self) -> None:
        while True:
            self._look_after()
            self._pause(1.0)

    def _look_after(self) -> None:
        """Has supervisord try again where it gave up."""
        try:
            self._supervisor.start(state.name for state in self._supervisor.states() if state.state == "FATAL")
        except SupervisorUnreachableError:
            self._pause(0.5)  # it may be gone, which the pause notices, or only busy

    def _pause(self, seconds: float) -> None:
        """Waits, and notices meanwhile what ends the run.

        Raises:
            StopRequested: a signal came, or make got one and keeps it to itself.
            StartError: supervisord died.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._signals or (self._make and self._make.was_told_to_stop()):
                raise StopRequested
            if self._supervisord is not None and self._supervisord.poll() is not None:
                last_words = self._last_lines(leftovers.SUPERVISOR)
                raise StartError(f"the supervisor of the processes died; stopping what is left\n{last_words}")
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))

    # --- stopping ----------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self._say("stopping")
        for helper in self._helpers:
            if helper.poll() is None:
                helper.terminate()
        if self._supervisord is not None and self._supervisord.poll() is None:
            self._supervisord.terminate()
            while self._supervisord.poll() is None and not self._impatient():
                time.sleep(0.05)
        leftovers.stop(self._data_dir, limit_s=3.0 if self._impatient() else 10.0)
        for child in (*self._helpers, self._supervisord):
            if child is not None:
                child.wait()
        stack.addresses_path(self._data_dir).unlink(missing_ok=True)
        stack.remove_socket_folder(self._data_dir)
        self._say("stopped")

    def _impatient(self) -> bool:
        return len(self._signals) > 1 and self._signals[-1] - self._signals[0] > _PATIENCE_S

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals.append(time.monotonic())

    # --- telling -----------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._terminal.say(text if text.startswith("\n") else f"goutong: {text}")

    def _last_lines(self, name: str) -> str:
        path: Path = logs_folder(self._data_dir) / f"{name}.log"
        try:
            with path.open(errors="replace") as file:
                return "".join(f"  {line}" for line in deque(file, maxlen=15)).rstrip()
        except FileNotFoundError:
            return f"  ({os.fspath(path)} is empty)"
