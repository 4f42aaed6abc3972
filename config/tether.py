"""Ties a process to its parent: when the parent dies, however it dies, the kernel stops the child.

``python -I -S config/tether.py [--record FILE] [--signal NAME] [--user NAME] [--parent-tethered] -- command…`` becomes
the command. It runs before each process of the stack, hence only the standard library, and nothing of ``config``.

Where there is no ``prctl`` (macOS), only the record remains, and the next start stops what was left.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: In the environment of whatever runs under a tether: the folder where processes leave their records.
RECORDS_VARIABLE = "GOUTONG_PROCESS_RECORDS"
#: Likewise: its process id, which stays when it becomes its command. A parent may die before its child has come so far
#: as to ask who that is, and the child would tie itself to whoever got it then.
PARENT_VARIABLE = "GOUTONG_PARENT"


def started_at(pid: int) -> str | None:
    """When a process started, in a form that no other process of that id will ever share; None when it is gone."""
    if not sys.platform.startswith("linux"):
        listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return listed.stdout.strip() or None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}/{start_ticks}"


def record(path: Path, *, stop_signal: str) -> None:
    """Leaves this process's id and birth in ``path``, for a later start to find it should it be left over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{os.getpid()}\n{started_at(os.getpid())}\n{stop_signal}\n")
    draft.replace(path)


def hold(death_signal: signal.Signals, *, parent: int) -> None:
    """Asks the kernel for ``death_signal`` when ``parent`` dies; exits at once if it already has."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(f"the parent process {parent} is gone")


def hold_grandchild(name: str) -> None:
    """Ties a process that a tethered one forked (a tether does not pass to children). Nothing happens elsewhere."""
    records = os.environ.get(RECORDS_VARIABLE)
    if records:
        record(Path(records) / f"{name}.{os.getpid()}", stop_signal="TERM")
        hold(signal.SIGTERM, parent=tethered_parent())


def tethered_parent() -> int:
    """The process that started this one, which runs under a tether."""
    return int(os.environ.get(PARENT_VARIABLE) or os.getppid())


def become(user: str) -> None:
    """Gives up root for ``user``."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tether")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--signal", default="TERM")
    parser.add_argument("--user")
    parser.add_argument("--parent-tethered", action="store_true", help="the parent runs under a tether itself")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    parent = tethered_parent() if arguments.parent_tethered else os.getppid()
    if arguments.record:
        record(arguments.record, stop_signal=arguments.signal)
        os.environ[RECORDS_VARIABLE] = str(arguments.record.parent)
    if arguments.user:
        become(arguments.user)
    # After the change of user: the kernel forgets the wish when credentials change.
    hold(signal.Signals[f"SIG{arguments.signal}"], parent=parent)
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    os.execvp(arguments.command[0], arguments.command)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    main()
