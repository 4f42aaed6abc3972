"""urllib3 connections that keep an attempt's deadline, know whether the request went out whole, and, where the URL is
an application's, connect only to addresses on the public internet."""

from __future__ import annotations

import socket
import time
from typing import Any, ClassVar, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from channels import ssrf
from channels.adapters import deadline

#: Servers close idle connections, many after five seconds, and a request that crosses the closing has an unknown
#: outcome. So we are always the first to let go.
IDLE_LIMIT_S: Final = 4.0


class _Tracked(HTTPConnection):
    """What plain and TLS connections have in common. A mixin in all but name: mypy wants to see its methods' owner."""

    guarded: ClassVar[bool] = False
    _used_at: float = 0.0

    def _new_conn(self) -> socket.socket:
        self._used_at = time.monotonic()
        connect_timeout = self.timeout if self.timeout is not None else deadline.current().remaining()
        try:
            addresses = deadline.resolve(self._dns_host.strip("[]"), self.port, guarded=self.guarded)
            if self.guarded:
                ssrf.vet(str(entry[4][0]) for entry in addresses)
            return deadline.connect(addresses, timeout=connect_timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, error.strerror or type(error).__name__) from error

    @property
    def is_connected(self) -> bool:
        """Whether the connection may carry another request; urllib3 asks when it takes one from the pool."""
        return time.monotonic() - self._used_at < IDLE_LIMIT_S and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        # Only here has the kernel taken every byte: until now the other side can't have had a whole request.
        deadline.current().written = True

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response


class DirectConnection(_Tracked):
    """To a provider, at the address its administrator configured."""


class DirectTlsConnection(_Tracked, HTTPSConnection):
    """The same over TLS."""


class GuardedConnection(_Tracked):
    """To an address that an application gave: the public internet only."""

    guarded = True


class GuardedTlsConnection(_Tracked, HTTPSConnection):
    """The same over TLS."""

    guarded = True


class _DirectPool(urllib3.HTTPConnectionPool):
    ConnectionCls = DirectConnection


class _DirectTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = DirectTlsConnection


class _GuardedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = GuardedConnection


class _GuardedTlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = GuardedTlsConnection


DIRECT: Final = {"http": _DirectPool, "https": _DirectTlsPool}
GUARDED: Final = {"http": _GuardedPool, "https": _GuardedTlsPool}


def pool_manager(*, guarded: bool, hosts: int, connections: int, proxy: str | None, ca_file: str | None) -> Any:
    """A pool of connections: ``connections`` to each of at most ``hosts`` hosts. It follows no redirects, repeats
    nothing by itself, and knows no proxy but ``proxy``."""
    options: dict[str, Any] = {
        "num_pools": hosts,
        "maxsize": connections,
        "block": True,
        "retries": False,
        "ssl_context": deadline.tls_context(ca_file),
    }
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    # Behind a proxy it is the proxy that connects, and that has to guard.
    manager.pool_classes_by_scheme = GUARDED if guarded and not proxy else DIRECT
    return manager
