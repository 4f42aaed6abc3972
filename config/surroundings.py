"""What a stack gives its processes: ports, passwords, addresses; and what the process that started it is up to."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from config import banner, embedded, ports, stack
from config.embedded import Server
from config.env import BASE_DIR, Environment

_MAKE_VARIABLES: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR")


class PortTakenError(Exception):
    """A port that was asked for is in use by something else."""


class Surroundings:
    """The ports, logins and addresses of one run, chosen once: kept from the last run where they are still free."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._data_dir = environment.data_dir

    @cached_property
    def port(self) -> int:
        """Where the web answers."""
        return self._environment.port or ports.choose()

    @cached_property
    def flower_port(self) -> int:
        """Where Flower answers."""
        return self._environment.flower_port or ports.choose()

    @cached_property
    def flower_login(self) -> str:
        """``user:password`` for Flower; made once and kept, unless the environment names one."""
        if self._environment.flower_basic_auth:
            return self._environment.flower_basic_auth
        kept = stack.load_or_create_secrets(
            self._data_dir, lambda: {"flower_user": "goutong", "flower_password": secrets.token_urlsafe(12)}
        )
        return f"{kept['flower_user']}:{kept['flower_password']}"

    @cached_property
    def _kept_ports(self) -> dict[str, int]:
        """Ports that nobody asked for by number: of Valkey and of the sandbox."""
        asked = {
            "valkey": 0,
            "sandbox": self._environment.sandbox_port,
            "sandbox_smtp": self._environment.sandbox_smtp_port,
        }
        path = self._data_dir / "run" / "ports.json"
        kept = stack.read_private(path)
        chosen: dict[str, int] = {}
        for name, number in asked.items():
            port = number
            while not port or port in chosen.values():
                port = ports.choose(preferred=int(kept.pop(name, 0)))
            chosen[name] = port
        stack.write_private(path, {name: str(port) for name, port in chosen.items()})
        return chosen

    def servers(self) -> list[Server]:
        """The servers to start: those that the environment does not name.

        Raises:
            PortTakenError: something else listens where the web or Flower should.
        """
        for name, port in (("PORT", self.port), ("FLOWER_PORT", self.flower_port)):
            if not ports.is_free(port, self._environment.bind_address):
                raise PortTakenError(f"port {port} is taken; choose another with {name}=…")
        servers = []
        if not self._environment.database_url:
            servers.append(embedded.prepare_postgres(self._data_dir))
        if not self._environment.redis_url:
            servers.append(embedded.prepare_valkey(self._data_dir, port=self._kept_ports["valkey"]))
        return servers

    def addresses(self, servers: Sequence[Server]) -> dict[str, str]:
        """What the stack publishes for other processes of the same DATA_DIR."""
        urls = {server.name: server.url for server in servers}
        return {
            "database_url": self._environment.database_url or urls["postgres"],
            "redis_url": self._environment.redis_url or urls["valkey"],
            "web_url": self.web_url,
            "flower_url": self.flower_url,
            **({"sandbox_url": self.sandbox_url} if self._environment.demo else {}),
        }

    @property
    def host(self) -> str:
        """Where this machine reaches the web and Flower."""
        address = self._environment.bind_address
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104  (it is left, not taken)

    @property
    def known_host(self) -> str:
        """A name under which the web answers, for it refuses those that ALLOWED_HOSTS does not list."""
        names = [name.lstrip(".") for name in self._environment.allowed_hosts if name != "*"]
        return names[0] if names else "localhost"

    @property
    def web_url(self) -> str:
        """The web, as seen from this machine."""
        return self._url(self.port)

    @property
    def flower_url(self) -> str:
        """Flower, as seen from this machine."""
        return self._url(self.flower_port)

    def _url(self, port: int) -> str:
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    @property
    def sandbox_url(self) -> str:
        """The provider sandbox."""
        return f"http://127.0.0.1:{self._kept_ports['sandbox']}"

    def for_processes(self) -> dict[str, str]:
        """The environment of every process. Servers that the stack itself runs are not in it: their addresses are read
        from DATA_DIR, as any management command would."""
        environment = {name: value for name, value in os.environ.items() if name not in _MAKE_VARIABLES}
        scripts = str(Path(sys.executable).parent)
        environment |= {
            "PATH": f"{scripts}{os.pathsep}{environment.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(self._data_dir),
            "BIND_ADDRESS": self._environment.bind_address,
            "PORT": str(self.port),
            "FLOWER_PORT": str(self.flower_port),
            "FLOWER_BASIC_AUTH": self.flower_login,
            "DEMO": str(int(self._environment.demo)),
            "WEB_WORKERS": str(self._environment.web_workers),
            "WEB_THREADS": str(self._environment.web_threads),
            # Waiting in the web's own queue is cheap, and beyond a few times its threads pointless.
            "WEB_BACKPRESSURE": str(self._environment.web_threads * 8),
            "WORKER_THREADS": str(self._environment.worker_threads),
        }
        if self._environment.demo:
            environment |= {
                "SANDBOX_URL": self.sandbox_url,
                "SANDBOX_PORT": str(self._kept_ports["sandbox"]),
                "SANDBOX_SMTP_PORT": str(self._kept_ports["sandbox_smtp"]),
            }
        return environment

    def banner(self, demo: Mapping[str, Any] | None) -> str:
        """What to print when the stack is ready."""
        return banner.render(
            web_url=self.web_url,
            flower_url=self.flower_url,
            flower_login=self.flower_login,
            data_dir=str(
                self._data_dir.relative_to(BASE_DIR) if self._data_dir.is_relative_to(BASE_DIR) else self._data_dir
            ),
            demo=demo,
        )


class MakeWatch:
    """Notices that make, our parent, was told to stop. It passes on SIGTERM, but a SIGINT or SIGHUP sent to it alone
    it keeps: it puts its handler down and waits for us to end. That handler is what we look at."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._caught = self._caught_signals()

    def was_told_to_stop(self) -> bool:
        """Whether a handler that was up at our start is down now."""
        return self._caught_signals() & self._caught != self._caught

    def _caught_signals(self) -> int:
        try:
            status = Path(f"/proc/{self._pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if fields["Name"].strip() not in {"make", "gmake"}:
            return 0
        return int(fields["SigCgt"], 16) & 0b100_0000_0000_0011  # SIGHUP, SIGINT, SIGTERM
