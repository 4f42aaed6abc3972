"""The whole product, started as `make run` starts it, in a folder and on ports of its own."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from config import ports, stack
from config.processes import ProcessState, Supervisor
from tests.stack.commands import REPOSITORY, Commands

#: What the test run's own engines and runner put into the environment is not for the stack.
_NOT_INHERITED = ("DATABASE_", "REDIS_", "BROKER_", "DJANGO_", "PYTEST", "MAKE", "MFLAGS")


class LiveStack:
    """A running Goutong. ``start`` and ``stop`` as often as a test likes; the data stay until ``remove``."""

    def __init__(self, *, demo: bool = False, only: str = "", data_dir: Path | None = None, **variables: str) -> None:
        self._only = ["--only", only] if only else []
        self._borrows = data_dir is not None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="goutong-live-"))
        self.port, self.flower_port = ports.choose(), ports.choose()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        self.env |= {
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "FLOWER_PORT": str(self.flower_port),
            "DEMO": str(int(demo)),
            "LEASE_S": os.environ.get("LEASE_S", "5"),
            **variables,
        }
        self.output = self.data_dir / "output.txt"
        self._output_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._commands: Commands | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """What `make run` is at a terminal: the process in front."""
        assert self._process is not None
        return self._process

    def start(self, *command: str) -> None:
        """Starts the stack, or ``command`` instead of it, in a process group of its own (as a shell would)."""
        self._end_commands()  # they know where the servers of the run before were
        with self.output.open("ab") as output:
            self._output_start = output.tell()
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                # A shell starts what it puts into the background that way, and make would not hear its Ctrl-C either.
                signal.signal(signal.SIGINT, signal.default_int_handler)
            # Likewise nohup, and the stack would not hear its terminal close.
            hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
            self._process = subprocess.Popen(
                command or [sys.executable, "-m", "config.supervise", "run", "--tethered", *self._only],
                cwd=REPOSITORY,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            signal.signal(signal.SIGHUP, hangup)

    def is_ready(self) -> bool:
        """Whether it runs and says that it can accept."""
        if self._process is None or self._process.poll() is not None:
            return False
        # A web of an earlier run may still answer: the run that was started last must have said so itself.
        if "Goutong 沟通 is ready" not in self.said():
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_until_ready(self, *, timeout: float = 90.0) -> None:
        """Waits until the product says that it can accept."""
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the stack is not ready:\n{self.output.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 90.0) -> int:
        """Signals the process in front and waits for its end, for as long as the supervisor gives its processes.
        Returns its exit code."""
        self._end_commands()
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command, in a process that was ready for it."""
        self._commands = self._commands or Commands(self.env)
        return self._commands.run(*arguments)

    def manage_from_nothing(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command as an operator calls it, who knows nothing but the DATA_DIR."""
        return self._run(sys.executable, "manage.py", *arguments)

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``python -m config.supervise ctl …``."""
        return self._run(sys.executable, "-m", "config.supervise", "ctl", *arguments)

    def state(self, name: str) -> ProcessState:
        """How the supervisor sees one process."""
        return Supervisor(self.data_dir).state(name)

    def pids(self, name: str) -> list[int]:
        """The process called ``name`` in the Procfile, and its children."""
        pid = self.state(name).pid
        if not pid:
            return []
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]

    def addresses(self) -> dict[str, str]:
        """What the stack published."""
        return stack.read_addresses(self.data_dir)

    def said(self) -> str:
        """What it has written since it was started last."""
        return self.output.read_bytes()[self._output_start :].decode(errors="replace")

    def remains(self) -> list[psutil.Process]:
        """Every living process that has to do with this DATA_DIR, and is not ours."""
        ours = {os.getpid()} | ({self._commands.pid} if self._commands else set())
        return [one for one in psutil.process_iter() if one.pid not in ours and self._belongs(one)]

    def end(self) -> None:
        """Stops it if it runs, and kills what stays; in somebody else's folder it leaves the others alone."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._end_commands()
        left = [] if self._borrows else self.remains()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)

    def remove(self) -> None:
        """Ends it, and removes the data; not those of somebody else's folder."""
        self.end()
        if not self._borrows:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get("DATA_DIR") == str(self.data_dir) or any(
                str(self.data_dir) in argument for argument in process.cmdline()
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _end_commands(self) -> None:
        if self._commands is not None:
            self._commands.end()
            self._commands = None

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=REPOSITORY, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )

    def __enter__(self) -> LiveStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


MakeStack = Callable[..., LiveStack]


@pytest.fixture
def make_stack() -> Iterator[MakeStack]:
    """Makes stacks that a test starts itself; they are stopped and removed after it."""
    made: list[LiveStack] = []

    def make(**options: object) -> LiveStack:
        made.append(LiveStack(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.__exit__(None, None, None)


@pytest.fixture(scope="session")
def live_stack() -> Iterator[LiveStack]:
    """One running product for all tests that only use it. They carry ``@pytest.mark.xdist_group("live_stack")``."""
    with LiveStack() as live:
        live.start()
        live.wait_until_ready()
        yield live
        live.stop()
        assert live.remains() == []
