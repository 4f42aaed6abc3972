"""Commands as somebody calls them from a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings


@pytest.mark.parametrize("command", ["reconcile", "create_api_key billing", "verify_audit"])
def test_without_a_database_a_command_says_so_in_one_line(tmp_path: Path, command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA_DIR": str(tmp_path), "DEBUG": "1", "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/nothing"}

    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("goutong: no database: ")
    assert done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr
