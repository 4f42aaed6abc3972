"""``make check``: everything that can be said about the code without running the product. Two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.env import BASE_DIR

_PYTHON: Final = sys.executable
_MANAGE: Final = (_PYTHON, "-W", "ignore::RuntimeWarning", "manage.py")
#: The slow ones first. Names are what a person reads; commands are what one can run by hand.
CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    "types": (_PYTHON, "-m", "mypy", "--no-error-summary"),
    "lint": (_PYTHON, "-m", "ruff", "check", "--quiet", "."),
    "format": (_PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."),
    "imports": (str(Path(_PYTHON).with_name("lint-imports")),),
    "settings": (*_MANAGE, "check", "--fail-level", "WARNING"),
    "migrations": (*_MANAGE, "makemigrations", "--check", "--dry-run"),
    "openapi": (*_MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull),
    "translations": (_PYTHON, "-m", "config.translations", "check"),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a check went."""

    name: str
    passed: bool
    output: str
    seconds: float

    def __str__(self) -> str:
        line = f"{'ok  ' if self.passed else 'FAIL'} {self.name:<13} {self.seconds:5.1f} s"
        return line if self.passed else f"{line}\n{self.output.strip()}\n"


def run(name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Verdict:
    """Runs one check."""
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Verdict(name=name, passed=done.returncode == 0, output=done.stdout, seconds=time.monotonic() - began)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="goutong-check-") as data_dir, ThreadPoolExecutor(2) as pool:
        # Whatever servers this machine has are none of a check's business.
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        environment |= {"DATA_DIR": data_dir, "DEMO": "1", "PROCESS_NAME": "check"}
        verdicts = []
        for verdict in pool.map(lambda name: run(name, CHECKS[name], environment), CHECKS):
            sys.stdout.write(f"{verdict}\n")
            sys.stdout.flush()
            verdicts.append(verdict)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
