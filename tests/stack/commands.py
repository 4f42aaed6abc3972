"""Management commands of a running stack, without the time that each would take to load Django: one process has loaded
it, and forks. What runs then is manage.py, in a process of its own that ends as any other does.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import django
from django.urls import get_resolver

import manage

REPOSITORY: Final = Path(__file__).resolve().parents[2]
_LIMIT_S: Final = 60.0


class Commands:
    """The process that has Django loaded, in the environment of one run of a stack. ``run`` as ``subprocess.run``."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stack.commands"],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process itself."""
        return self._process.pid

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``manage.py`` with these arguments."""
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        orders.write(json.dumps(arguments) + "\n")
        orders.flush()
        if not select.select([answers], [], [], _LIMIT_S)[0]:
            raise subprocess.TimeoutExpired(arguments, _LIMIT_S)
        return subprocess.CompletedProcess(arguments, **json.loads(answers.readline()))

    def end(self) -> None:
        """Ends the process, and a command that has not come to its end."""
        with self._process:
            os.killpg(self._process.pid, signal.SIGKILL)


def _serve() -> None:
    """Until there are no more orders. A child returns when its command has, and ends as any process does."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    assert get_resolver().url_patterns  # every command checks them, and to load them takes the longest
    gc.collect()
    gc.freeze()
    for order in iter(sys.stdin.readline, ""):
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            child = os.fork()
            if child == 0:
                _take_over(json.loads(order), output, errors)
                manage.main()
                return
            _pid, status = os.waitpid(child, 0)
            output.seek(0)
            errors.seek(0)
            code = os.waitstatus_to_exitcode(status)
            answer = {"returncode": code, "stdout": output.read(), "stderr": errors.read()}
        print(json.dumps(answer), flush=True)


def _take_over(arguments: list[str], output: IO[str], errors: IO[str]) -> None:
    """Makes this child what a shell would have started."""
    sys.argv = ["manage.py", *arguments]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)


if __name__ == "__main__":
    _serve()
