"""Some measures, as small as they can be: that ``make bench`` works, not how fast anything is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.rig import BASE_DIR


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: PostgreSQL's socket lies in it, and a socket's path has 107 bytes at most. Those of
    pytest are longer where several workers run."""
    with tempfile.TemporaryDirectory(prefix="gb-") as made:
        yield Path(made)


@pytest.mark.timeout(120)
def test_a_small_run_leaves_results_and_no_process(folder: Path) -> None:
    command = [sys.executable, "-m", "bench", "claim", "provider", "capacity", "--scale", "0.01", "--runs", "1"]
    done = subprocess.run(
        [*command, "--results", str(folder / "results")],
        cwd=BASE_DIR,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("claim", "provider", "capacity"):
        kept = json.loads((folder / "results" / f"{name}.json").read_text())
        assert all(figure["judged"]["median"] > 0 for figure in kept["figures"])
    assert [path.name for path in folder.iterdir()] == ["results"]
    assert [one for one in psutil.process_iter() if _mentions(one, folder)] == []


def _mentions(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
