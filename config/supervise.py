"""The command line of the stack: ``python -m config.supervise run | stop | ps | ctl``.

``ctl start|stop|restart|kill|pid NAME…`` acts on single processes of a running stack: for operators, and for drills.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from config import env, stack, tether
from config.conductor import Conductor
from config.embedded import MissingProgramError
from config.processes import ProcessError, Supervisor, SupervisorUnreachableError
from config.procfile import ProcfileError
from config.surroundings import PortTakenError

_STOP_LIMIT_S = 120.0
#: What separates or quotes in the configuration of supervisord, PostgreSQL or Valkey.
_UNWELCOME = frozenset("%;#,\"'\\\n")


def run(arguments: argparse.Namespace) -> int:
    """Runs the stack in the foreground until it is told to stop."""
    if arguments.tethered:
        tether.hold(signal.SIGTERM, parent=os.getppid())
    environment = env.load()
    if unwelcome := sorted(set(str(environment.data_dir)) & _UNWELCOME):
        return _refuse(f"setting DATA_DIR: the servers' configuration cannot hold {' '.join(unwelcome)} in a path")
    environment.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    try:
        with stack.held(environment.data_dir):
            return Conductor(environment, only=arguments.only, follow_parent=arguments.tethered).run()
    except (stack.AlreadyRunningError, PortTakenError, ProcfileError, MissingProgramError, PermissionError) as error:
        return _refuse(str(error))
    except subprocess.CalledProcessError as error:
        return _refuse(f"{Path(error.cmd[0]).name} failed: {error.stderr.decode(errors='replace').strip()}")


def stop(_arguments: argparse.Namespace) -> int:
    """Asks the running stack to stop, and waits until it has."""
    data_dir = env.load().data_dir
    pid = stack.holder(data_dir)
    if pid is None:
        return _refuse(f"no stack is running in {data_dir}")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_LIMIT_S
    while stack.holder(data_dir) == pid:
        if time.monotonic() > deadline:
            return _refuse(f"process {pid} has not stopped within {_STOP_LIMIT_S:.0f} s")
        time.sleep(0.1)
    return 0


def ps(_arguments: argparse.Namespace) -> int:
    """Prints every process and how it is."""
    for state in _supervisor().states():
        _print(f"{state.name:<12} {state.state:<9} {state.description}")
    return 0


def ctl(arguments: argparse.Namespace) -> int:
    """Acts on processes of the running stack by name."""
    supervisor = _supervisor()
    names: list[str] = arguments.names
    match arguments.order:
        case "start":
            supervisor.start(names)
        case "stop":
            supervisor.stop(names)
        case "restart":
            supervisor.stop(names)
            supervisor.start(names)
        case "kill":
            for name in names:
                supervisor.send_signal(name, signal.Signals[f"SIG{arguments.signal}"])
        case "pid":
            for name in names:
                _print(str(supervisor.state(name).pid))
    return 0


def _supervisor() -> Supervisor:
    return Supervisor(env.load().data_dir)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _refuse(reason: str) -> int:
    sys.stderr.write(f"goutong: {reason}\n")
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.supervise", description=__doc__)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="run the stack in the foreground")
    running.add_argument("--tethered", action="store_true", help="stop when the parent process does")
    running.add_argument(
        "--only", type=lambda names: names.split(","), metavar="NAME,…", help="of the Procfile, run no more than these"
    )
    running.set_defaults(act=run)
    commands.add_parser("stop", help="stop the running stack").set_defaults(act=stop)
    commands.add_parser("ps", help="list the processes").set_defaults(act=ps)
    control = commands.add_parser("ctl", help="act on processes by name")
    control.add_argument("order", choices=["start", "stop", "restart", "kill", "pid"])
    control.add_argument("--signal", default="KILL", help="what `kill` sends (default: %(default)s)")
    control.add_argument("names", nargs="+", metavar="name")
    control.set_defaults(act=ctl)
    arguments = parser.parse_args()
    try:
        code: int = arguments.act(arguments)
    except (SupervisorUnreachableError, ProcessError) as error:
        return _refuse(str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())
