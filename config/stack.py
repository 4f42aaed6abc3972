"""What a running stack leaves under DATA_DIR so that other processes find it: addresses, secrets, a lock, its sockets.

Kept apart from ``embedded`` because settings read it, and settings must not start anything.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: The kernel takes 107 bytes of a socket's path; the longest name we put in the folder is PostgreSQL's lock file,
#: and supervisord binds a temporary name with its process id behind.
_LONGEST_SOCKET_FOLDER = 107 - len("/control.sock.4194304")


class AlreadyRunningError(Exception):
    """Another process holds this DATA_DIR's stack."""


def read_private(path: Path) -> dict[str, str]:
    """What ``write_private`` wrote; empty when there is no such file."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return {str(key): str(value) for key, value in data.items()}


def write_private(path: Path, data: dict[str, str]) -> None:
    """Writes ``data`` whole or not at all, readable only by its owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(data, file, indent=1)
    draft.replace(path)


def addresses_path(data_dir: Path) -> Path:
    """The file that names the running stack's servers."""
    return data_dir / "run" / "stack.json"


def read_addresses(data_dir: Path) -> dict[str, str]:
    """``database_url``, ``redis_url``, ``web_url``, ``flower_url``, ``sandbox_url``: those that the stack running in
    ``data_dir`` published; empty when there is none."""
    return read_private(addresses_path(data_dir))


def load_or_create_secrets(data_dir: Path, create: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The secrets kept in ``data_dir``; what ``create`` names and is not there yet is added and kept from then on.
    Safe when several processes start at once."""
    path = data_dir / "secrets.json"
    made = create()
    kept = read_private(path)
    if made.keys() <= kept.keys():
        return kept
    data_dir.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name("secrets.lock")):
        kept = {**made, **read_private(path)}
        write_private(path, kept)
    return kept


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock_path(data_dir: Path) -> Path:
    """The file whose lock says that a stack runs in ``data_dir``."""
    return data_dir / "run" / "lock"


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Holds ``data_dir`` for one stack. The kernel lets go when the process dies, so there is no stale lock.

    Raises:
        AlreadyRunningError: its message names the process that holds it.
    """
    path = lock_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"a stack is already running in {data_dir} (process {holder(data_dir) or 'unknown'})"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(data_dir: Path) -> int | None:
    """The process that runs the stack of ``data_dir``; None when nobody does."""
    try:
        with lock_path(data_dir).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def socket_folder(data_dir: Path) -> Path:
    """A private folder for unix sockets: under ``data_dir``, or elsewhere when that path is too long for the kernel."""
    folder = _socket_path(data_dir)
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def remove_socket_folder(data_dir: Path) -> None:
    """Removes the folder of sockets if it is not under ``data_dir``. The stack has stopped."""
    folder = _socket_path(data_dir)
    if not folder.is_relative_to(data_dir):
        shutil.rmtree(folder, ignore_errors=True)


def _socket_path(data_dir: Path) -> Path:
    folder = data_dir / "run"
    if len(os.fsencode(folder / "pg")) <= _LONGEST_SOCKET_FOLDER:
        return folder
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"goutong-{os.geteuid()}-{name}"
