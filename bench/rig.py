"""The servers and processes that are measured, in a folder of their own that goes when they do.

The servers run with the product's own settings (every commit on disk), the processes by the commands of the Procfile.
Each is tied to this process by the kernel: whatever ends it ends them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg2

from config import embedded, env, procfile, stack
from config.surroundings import Surroundings

BASE_DIR: Final = env.BASE_DIR
#: What the shell that runs us may hold and the rig must not see.
_NOT_INHERITED: Final = ("DATABASE_", "REDIS_", "BROKER_", "DJANGO_", "DEMO", "SANDBOX_", "LEASE_", "WEB_", "WORKER_")
_START_S: Final = 60.0
_STOP_S: Final = 25.0


class RigError(Exception):
    """Something that is to be measured does not run; the message says what, and its last words."""


class Rig:
    """Start it once; processes come and go. ``close`` leaves nothing."""

    def __init__(self, **variables: str) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="goutong-bench-"))
        for name in [name for name in os.environ if name.startswith(_NOT_INHERITED)]:
            del os.environ[name]
        os.environ |= {
            "DATA_DIR": str(self.data_dir),
            "PORT": "0",
            "FLOWER_PORT": "0",
            "ALLOW_PRIVATE_URLS": "1",
            "RETENTION_DAYS": "30",
            **variables,
        }
        self._surroundings = Surroundings(env.load())
        self._commands = procfile.read(BASE_DIR / "Procfile")
        self._running: dict[str, tuple[subprocess.Popen[bytes], signal.Signals]] = {}

    # --- the servers --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts PostgreSQL and Valkey, publishes their addresses where settings look, and migrates."""
        (self.data_dir / "static").mkdir()
        servers = self._surroundings.servers()
        for server in servers:
            self.spawn(server.name, server.command, stop_signal=server.stop_signal, user=server.user)
        for server in servers:
            self.wait_for(server.is_ready, process=server.name)
        embedded.create_database(next(server.url for server in servers if server.name == "postgres"))
        stack.write_private(stack.addresses_path(self.data_dir), self._surroundings.addresses(servers))
        self.manage("migrate", "--noinput")

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is."""
        return stack.read_addresses(self.data_dir)["database_url"]

    @property
    def redis_url(self) -> str:
        """Where Valkey is."""
        return stack.read_addresses(self.data_dir)["redis_url"]

    @contextlib.contextmanager
    def database(self, url: str = "") -> Iterator[Any]:
        """A cursor of our own: every statement its own transaction, without the product's time limits."""
        with contextlib.closing(psycopg2.connect(url or self.database_url, application_name="bench")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    # --- processes ----------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where the web answers."""
        return self._surroundings.port

    def command(self, name: str) -> tuple[str, ...]:
        """The Procfile's command for ``name``."""
        return procfile.expand(self._commands[name], {**os.environ, **self._surroundings.for_processes()})

    def run_process(self, name: str, **variables: str) -> None:
        """Starts the Procfile's process ``name`` and waits until it works."""
        self.spawn(name, self.command(name), variables=variables)
        if name == "web":
            self.wait_for(self._web_answers, process=name)
        elif procfile.queues(self._commands[name]):
            self.wait_for_worker(name, app="config.celery")

    def run_everything(self, *, but: Sequence[str] = ()) -> None:
        """Starts every process of the Procfile, except some, and waits until they work."""
        names = [name for name in self._commands if name not in but]
        for name in names:
            self.spawn(name, self.command(name))
        self.wait_for(self._web_answers, process="web")
        for name in names:
            if procfile.queues(self._commands[name]):
                self.wait_for_worker(name, app="config.celery")

    def run_instead(
        self,
        name: str,
        *,
        of: str,
        replaced: Mapping[str, str],
        port: int = 0,
        variables: Mapping[str, str] | None = None,
        broker: str | None = None,
    ) -> None:
        """Starts the Procfile's process ``of`` under another name, with some arguments replaced, and waits until it
        works: a web server answers at ``port``, a worker (without one) to its name at ``broker``."""
        command = tuple(replaced.get(part, part) for part in self.command(of))
        if missing := replaced.keys() - set(self.command(of)):
            raise RigError(f"the Procfile's {of} has no argument {', '.join(missing)}")
        self.spawn(name, command, variables=variables)
        if port:
            self.wait_for(lambda: self._web_answers(port), process=name)
        else:
            self.wait_for_worker(name, app="config.celery", broker=broker)

    def run_worker(self, name: str, *, app: str, queue: str, options: Sequence[str]) -> None:
        """Starts a Celery worker of a baseline and waits until it answers."""
        self.spawn(
            name,
            (sys.executable, "-m", "celery", "-A", app, "--quiet", "worker", "-n", f"{name}@%h", "-Q", queue, *options),
        )
        self.wait_for_worker(name, app=app)

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
    ) -> None:
        """Starts ``command``, tied to this process, its output in the folder of logs."""
        tethered = embedded.tethered(
            tuple(command), record=self.data_dir / "run" / "pids" / name, stop_signal=stop_signal, user=user
        )
        environment = {**self._surroundings.for_processes(), "PROCESS_NAME": name, **(variables or {})}
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                tethered,
                cwd=BASE_DIR if user is None else "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = (process, stop_signal)

    def process(self, name: str) -> psutil.Process:
        """A running process, by its name here."""
        return psutil.Process(self._running[name][0].pid)

    def family(self, name: str) -> list[psutil.Process]:
        """A running process and all its children."""
        first = self.process(name)
        return [first, *first.children(recursive=True)]

    def processor_s(self, name: str) -> float:
        """The processor time that a running process and all its children have used, in seconds. A connection of
        PostgreSQL may end while one looks."""
        used = 0.0
        for process in self.family(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    @property
    def names(self) -> list[str]:
        """What runs."""
        return list(self._running)

    def stop(self, *names: str) -> None:
        """Stops processes, all at once, and waits for their ends."""
        stopped = [(name, *self._running.pop(name)) for name in names if name in self._running]
        for _name, process, number in stopped:
            if process.poll() is None:
                process.send_signal(number)
        deadline = time.monotonic() + _STOP_S
        for _name, process, _number in stopped:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all_but_servers(self) -> None:
        """Stops whatever a measure started."""
        self.stop(*(name for name in self.names if name not in ("postgres", "valkey")))

    def close(self) -> None:
        """Stops everything and removes the folder."""
        try:
            self.stop_all_but_servers()
            self.stop("postgres", "valkey")
        finally:
            stack.remove_socket_folder(self.data_dir)
            shutil.rmtree(self.data_dir, ignore_errors=True)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait_for(
        self, condition: Callable[[], object], *, process: str, timeout: float = _START_S, every: float = 0.1
    ) -> None:
        """Waits for ``condition``. Raises RigError when it does not come true, or ``process`` ends."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self._running[process][0].poll() is not None or time.monotonic() > deadline:
                raise RigError(f"{process} is not ready, or has ended:\n{self._last_words(process)}")
            time.sleep(every)

    def wait_for_worker(self, name: str, *, app: str, broker: str | None = None) -> None:
        """Waits until a Celery worker answers to its name."""
        from importlib import import_module

        from celery import Celery

        celery = Celery(broker=broker, set_as_current=False) if broker else import_module(app).app
        destination = f"{name}@{os.uname().nodename}"

        def answers() -> bool:
            return bool(celery.control.ping(destination=[destination], timeout=0.5))

        self.wait_for(answers, process=name)

    def _web_answers(self, port: int = 0) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def manage(self, *arguments: str) -> str:
        """The output of a management command. Raises RigError when it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self._surroundings.for_processes(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RigError(f"manage.py {arguments[0]} failed:\n{done.stderr}")
        return done.stdout

    def _log(self, name: str) -> Path:
        folder = self.data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def _last_words(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-15:])
