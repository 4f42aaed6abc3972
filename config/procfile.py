"""The Procfile: the one list of the product's processes, read the way every Procfile runner reads it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

_LINE: Final = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")


class ProcfileError(Exception):
    """A line of the Procfile that cannot be read or run."""


def parse(text: str) -> dict[str, str]:
    """The commands by process name, in the file's order, variables still in them.

    Raises:
        ProcfileError: a line is not ``name: command``, or a name comes twice.
    """
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match["name"] in commands:
            raise ProcfileError(f"Procfile, line {number}: expected a new `name: command`, found {line!r}")
        commands[match["name"]] = match["command"]
    return commands


def read(path: Path) -> dict[str, str]:
    """``parse`` for a file."""
    return parse(path.read_text())


def expand(command: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments of ``command``, each ``$VARIABLE`` taken from ``environment``.

    Raises:
        ProcfileError: a variable has no value.
    """
    try:
        return tuple(Template(part).substitute(environment) for part in shlex.split(command))
    except (KeyError, ValueError) as error:
        raise ProcfileError(f"Procfile: {command!r}: no value for {error}") from None


def queues(command: str) -> tuple[str, ...]:
    """The Celery queues that a worker's ``command`` consumes; none for another kind of process."""
    parts = shlex.split(command)
    if "worker" not in parts or "-Q" not in parts:
        return ()
    return tuple(parts[parts.index("-Q") + 1].split(","))
