"""The engines of the test run: one real PostgreSQL and one real Valkey, up before Django reads its settings.

A plugin given by ``-p`` because pytest-django loads the settings before any conftest. Workers of pytest-xdist share the
servers through the environment, each with a database of its own (pytest-django) and a Redis database of its own (here).
Servers that DATABASE_URL and REDIS_URL name are used instead of ours.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from config import embedded, ports, stack

_STARTUP_LIMIT_S = 60.0


class Engines:
    """The servers that this test run started. They die with it, by the tether if by nothing else."""

    def __init__(self) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="goutong-tests-"))
        (self.data_dir / "static").mkdir()
        self._running: list[tuple[embedded.Server, subprocess.Popen[bytes]]] = []

    def start(self, *, postgres: bool, valkey: bool) -> None:
        """Starts what is asked for, and publishes the addresses where settings look for them."""
        servers = []
        if postgres:
            servers.append(embedded.prepare_postgres(self.data_dir, durable=False))
        if valkey:
            servers.append(embedded.prepare_valkey(self.data_dir, port=ports.choose()))
        for server in servers:
            command = embedded.tethered(
                server.command,
                record=self.data_dir / "run" / "pids" / server.name,
                stop_signal=server.stop_signal,
                user=server.user,
            )
            with (self.data_dir / f"{server.name}.log").open("wb") as log:
                process = subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                )
            self._running.append((server, process))
        for server, process in self._running:
            self._wait_for(server, process)
        if postgres:
            embedded.create_database(servers[0].url)
        addresses = {{"postgres": "database_url", "valkey": "redis_url"}[server.name]: server.url for server in servers}
        stack.write_private(stack.addresses_path(self.data_dir), addresses)

    def stop(self) -> None:
        """Stops the servers and removes their data."""
        for server, process in self._running:
            process.send_signal(server.stop_signal)
        for _server, process in self._running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _wait_for(self, server: embedded.Server, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTUP_LIMIT_S
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self.data_dir / f"{server.name}.log").read_text()
                raise pytest.UsageError(f"{server.name} did not start:\n{log}")
            time.sleep(0.05)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        engines = Engines()
        # Also with servers of one's own: a test run must never touch the data of a stack that runs here.
        os.environ["DATA_DIR"] = str(engines.data_dir)
        if "DATABASE_URL" in os.environ:
            os.environ.setdefault("DEMO", "1")  # otherwise its presence means production, which insists on secrets
        atexit.register(engines.stop)
        engines.start(postgres="DATABASE_URL" not in os.environ, valkey="REDIS_URL" not in os.environ)
    else:
        _take_redis_database(int(re.sub(r"\D", "", worker)) + 1)
    return (yield)


def _take_redis_database(number: int) -> None:
    data_dir = Path(os.environ["DATA_DIR"])
    url = os.environ.get("REDIS_URL") or stack.read_addresses(data_dir)["redis_url"]
    os.environ["REDIS_URL"] = re.sub(r"/\d*$", f"/{number}", url)
