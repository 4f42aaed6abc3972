"""The trickle of the demo, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from django.conf import settings


def test_with_everything_down_the_traffic_waits_and_ends_when_told(tmp_path: Path) -> None:
    environment = {**os.environ, "PORT": "1", "DATA_DIR": str(tmp_path), "LOG_LEVEL": "INFO", "SANDBOX_URL": ""}
    command = [sys.executable, "manage.py", "demo_traffic"]
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("no key" in line for line in process.stderr), "it never said that it has no key"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
