"""Ports for servers that nobody gave one."""

from __future__ import annotations

import socket
from random import SystemRandom
from typing import Final

#: Below the range from which the kernel takes ports for outgoing connections: otherwise, while a server is down, a
#: client that knocks at its port may be given that very port as its own, connect to itself and keep it.
_RANGE: Final = range(15000, 32000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # As servers do: connections of a server that has just stopped do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def choose(*, preferred: int = 0) -> int:
    """``preferred`` if it is free, else a free port of loopback."""
    if preferred and is_free(preferred):
        return preferred
    for port in SystemRandom().sample(_RANGE, len(_RANGE)):
        if is_free(port):
            return port
    raise OSError("no port is free on 127.0.0.1")
