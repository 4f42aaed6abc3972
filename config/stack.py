"""What a running stack leaves under DATA_DIR so that other processes find it: addresses and generated secrets.

Kept apart from ``embedded`` because settings read it, and settings must not start anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path


def _read(path: Path) -> dict[str, str]:
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
    """``database_url``, ``redis_url`` and what else the stack in ``data_dir`` published; empty when there is none."""
    return _read(addresses_path(data_dir))


def load_or_create_secrets(data_dir: Path, create: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The secrets kept in ``data_dir``, made by ``create`` the first time. Safe when several processes start at once:
    the first to link its file wins, and the others read it."""
    path = data_dir / "secrets.json"
    if not path.exists():
        draft = path.with_name(f"secrets.{os.getpid()}.draft")
        write_private(draft, create())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _read(path)
