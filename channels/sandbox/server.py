"""The sandbox server, whole: HTTP and SMTP over one store."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from channels.sandbox.gateway import SandboxHttpServer
from channels.sandbox.mailbox import Mailbox
from channels.sandbox.store import Store

#: How soon the HTTP side notices that it is to stop.
_POLL_S: Final = 0.1


class Sandbox:
    """Both servers, from construction (which binds; raises OSError) to ``stop``. Port 0 takes a free one;
    ``smtp_port`` None leaves SMTP out."""

    def __init__(
        self,
        *,
        port: int = 0,
        smtp_port: int | None = 0,
        host: str = "127.0.0.1",
        journal: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.store = Store(journal=journal, seed=seed)
        self._http = SandboxHttpServer((host, port), self.store)
        self.host = host
        self.port: int = self._http.server_address[1]
        self._mailbox = None
        if smtp_port is not None:
            try:
                self._mailbox = Mailbox((host, smtp_port), self.store)
            except OSError:
                self._http.server_close()
                raise
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_S,), name="sandbox-http", daemon=True
        )

    @property
    def url(self) -> str:
        """Where the HTTP side is."""
        return f"http://{self.host}:{self.port}"

    @property
    def smtp_port(self) -> int:
        """Where the SMTP side is; 0 when it was left out."""
        return int(self._mailbox.port) if self._mailbox is not None else 0

    def start(self) -> None:
        """Begins to serve, in threads."""
        self._thread.start()
        if self._mailbox is not None:
            self._mailbox.start()

    def stop(self) -> None:
        """Lets go of everybody, those kept hanging included, and of the ports."""
        self._http.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        if self._mailbox is not None:
            self._mailbox.stop(no_assert=True)

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
