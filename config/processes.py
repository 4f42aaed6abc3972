"""The processes of a stack in supervisord's hands: its configuration, and the wire to it."""

from __future__ import annotations

import http.client
import os
import resource
import shlex
import signal
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from supervisor.xmlrpc import Faults, SupervisorTransport

from config import stack
from config.embedded import tethered

#: Stopped from the last to the first, all of one group at once; whatever is not named here is a worker.
GROUPS: Final = ("servers", "providers", "workers", "edge")
_GROUP_OF: Final = {
    "postgres": "servers",
    "valkey": "servers",
    "sandbox": "providers",
    "web": "edge",
    "beat": "edge",
    "flower": "edge",
    "traffic": "edge",
}
#: How long a process may take to finish what it is doing, in seconds, before its whole process group is killed.
_STOP_LIMITS_S: Final = {"servers": 30, "workers": 25, "edge": 12, "providers": 5}


class SupervisorUnreachableError(Exception):
    """No supervisord answers for this DATA_DIR."""


class ProcessError(Exception):
    """Supervisord refused what was asked about a process."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process for supervisord to keep alive."""

    name: str
    command: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None

    @property
    def group(self) -> str:
        """With which other processes it stops."""
        return _GROUP_OF.get(self.name, "workers")


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """What supervisord knows of a process. ``state`` is its word: RUNNING, STARTING, BACKOFF, STOPPED, FATAL…"""

    name: str
    state: str
    pid: int
    description: str
    exit_status: int


def logs_folder(data_dir: Path) -> Path:
    """Where each process's output is kept."""
    return data_dir / "logs"


def records_folder(data_dir: Path) -> Path:
    """Where each process leaves its id."""
    return data_dir / "run" / "pids"


def control_socket(data_dir: Path) -> Path:
    """Where supervisord listens for orders."""
    return stack.socket_folder(data_dir) / "control.sock"


# --- configuration ---------------------------------------------------------------------------------------------------


def configuration(programs: Sequence[Program], *, data_dir: Path, directory: Path) -> str:
    """Supervisord's configuration for ``programs``. Nothing starts by itself: the order is ``supervise``'s affair."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    socket = control_socket(data_dir)
    sections = [
        _section("unix_http_server", {"file": socket, "chmod": "0700"}),
        _section(
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "logfile": logs_folder(data_dir) / "supervisord.log",
                "logfile_maxbytes": "5MB",
                "logfile_backups": 2,
                "pidfile": data_dir / "run" / "supervisord.pid",
                "directory": directory,
                "minfds": 4096 if descriptors == resource.RLIM_INFINITY else min(4096, descriptors),
                **({"user": "root"} if os.geteuid() == 0 else {}),
            },
        ),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        _section("supervisorctl", {"serverurl": f"unix://{socket}"}),
    ]
    for priority, group in enumerate(GROUPS):
        members = [program for program in programs if program.group == group]
        if members:
            names = ",".join(program.name for program in members)
            sections.append(_section(f"group:{group}", {"programs": names, "priority": priority}))
            sections += [_program_section(program, data_dir) for program in members]
    return "\n".join(sections)


def _program_section(program: Program, data_dir: Path) -> str:
    record = records_folder(data_dir) / program.name
    command = tethered(
        program.command, record=record, stop_signal=program.stop_signal, user=program.user, parent_tethered=True
    )
    return _section(
        f"program:{program.name}",
        {
            "command": shlex.join(command),
            "environment": f'PROCESS_NAME="{program.name}"',
            "autostart": "false",
            "autorestart": "true",
            # After five quick deaths supervisord gives up, and `supervise` has it try again: for ever, with pauses
            # that do not grow.
            "startsecs": 2,
            "startretries": 5,
            "stopsignal": program.stop_signal.name.removeprefix("SIG"),
            "stopwaitsecs": _STOP_LIMITS_S[program.group],
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": logs_folder(data_dir) / f"{program.name}.log",
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": 3,
        },
    )


def _section(title: str, values: dict[str, object]) -> str:
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in values.items()]
    return "\n".join([f"[{title}]", *lines, ""])


# --- the wire --------------------------------------------------------------------------------------------------------


class Supervisor:
    """The supervisord of a DATA_DIR, by its XML-RPC interface. Not to be shared between threads."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._socket = control_socket(data_dir)

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport("", "", f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException):
            raise SupervisorUnreachableError(f"no stack is running in {self._data_dir}") from None
        finally:
            transport.close()

    def answers(self) -> bool:
        """Whether supervisord is there."""
        try:
            self._call("getState")
        except SupervisorUnreachableError:
            return False
        return True

    def states(self) -> list[ProcessState]:
        """Every process and how it is."""
        return [
            ProcessState(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                description=info["description"] or info["spawnerr"],
                exit_status=info["exitstatus"],
            )
            for info in self._call("getAllProcessInfo")
        ]

    def state(self, name: str) -> ProcessState:
        """One process and how it is.

        Raises:
            ProcessError: there is no process of that name.
        """
        for state in self.states():
            if state.name == name:
                return state
        raise ProcessError(f"no process is called {name}")

    def start(self, names: Iterable[str]) -> None:
        """Starts processes; those that run already are left alone. Does not wait for them."""
        for name in names:
            self._order("startProcess", name, False, but=(Faults.ALREADY_STARTED, Faults.SPAWN_ERROR))

    def stop(self, names: Iterable[str], *, wait: bool = True) -> None:
        """Stops processes, and supervisord will not restart them."""
        for name in names:
            self._order("stopProcess", name, wait, but=(Faults.NOT_RUNNING,))

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process, and supervisord will restart it if it dies of it."""
        self._order("signalProcess", name, number.name.removeprefix("SIG"))

    def _order(self, method: str, name: str, *arguments: Any, but: tuple[int, ...] = ()) -> None:
        group = _GROUP_OF.get(name, "workers")
        try:
            self._call(method, f"{group}:{name}", *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in but:
                raise ProcessError(f"{name}: {fault.faultString}") from None
