"""One deadline for a whole attempt, kept by the sockets themselves.

Timeouts of sockets are per operation: a server that drips one byte a second never trips them. Here every read and write
of an attempt gets only the time that the attempt has left, for plain and for TLS sockets, whoever drives them (urllib3,
smtplib).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, cast

from urllib3.util.ssl_ import create_urllib3_context

from channels.adapters.resolver import Resolver

#: What ``socket.getaddrinfo`` returns for one address.
Address = tuple[int, int, int, str, tuple[Any, ...]]

#: No longer than this for a name: a part of what HTTP adapters give a connection (``connect_timeout_s``).
_LOOKUP_S: Final = 4.0
_APPLICATIONS: Final = Resolver(name="applications", threads=16, limit_s=_LOOKUP_S)
_PROVIDERS: Final = Resolver(name="providers", threads=8, limit_s=_LOOKUP_S)
#: No single one of several addresses may use up all the time there is to connect.
_MIN_SHARE_S: Final = 0.25


class Attempt:
    """One attempt to hand a message over: when it must be over (monotonic clock), and whether the other side may have
    the whole request, so that its silence no longer means no."""

    __slots__ = ("ends_at", "written")

    def __init__(self, timeout: float) -> None:
        self.ends_at = time.monotonic() + timeout
        self.written = False

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self.ends_at

    def remaining(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this attempt is over")
        return left


# urllib3 and smtplib have no way to hand an attempt through to their sockets; a thread makes one attempt at a time.
_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def attempt(timeout: float) -> Iterator[Attempt]:
    """Every socket of this module, used by this thread inside the block, obeys one deadline ``timeout`` seconds off."""
    this = Attempt(timeout)
    token = _current.set(this)
    try:
        yield this
    finally:
        _current.reset(token)


def current() -> Attempt:
    """The attempt that this thread is making. Raises LookupError outside of one."""
    this = _current.get()
    if this is None:
        raise LookupError("no attempt is being made")
    return this


class _Bounded:
    """Mixed into a socket: no operation outlasts the attempt it is part of."""

    def _bound(self) -> None:
        this = _current.get()
        if this is not None:
            cast("socket.socket", self).settimeout(this.remaining())

    def recv(self, *args: Any) -> bytes:
        self._bound()
        return super().recv(*args)  # type: ignore[misc,no-any-return]

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._bound()
        return super().recv_into(*args, **kwargs)  # type: ignore[misc,no-any-return]

    def send(self, *args: Any) -> int:
        self._bound()
        return super().send(*args)  # type: ignore[misc,no-any-return]

    def sendall(self, *args: Any) -> None:
        self._bound()
        super().sendall(*args)  # type: ignore[misc]


class BoundedSocket(_Bounded, socket.socket):
    """A plain socket that obeys the attempt's deadline."""


class BoundedTlsSocket(_Bounded, ssl.SSLSocket):
    """A TLS socket that obeys the attempt's deadline, its handshake included."""

    def do_handshake(self, block: bool = False) -> None:
        self._bound()
        super().do_handshake(block)


@lru_cache(maxsize=16)
def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """The client's side of TLS: certificates and names are verified, against the system's authorities or the PEM file
    ``ca_file``. Raises OSError (ssl.SSLError included) when the file can't be read."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.check_hostname = True
    context.sslsocket_class = BoundedTlsSocket
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


def resolve(host: str, port: int, *, guarded: bool = False) -> list[Address]:
    """The addresses of ``host`` within the current attempt's time, and _LOOKUP_S. ``guarded`` names are applications',
    and have resolvers of their own. Raises OSError: socket.gaierror when there are none, TimeoutError when the look-up
    takes too long."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        resolver = _APPLICATIONS if guarded else _PROVIDERS
        return resolver.look_up(host, port, timeout=current().remaining())
    return cast("list[Address]", socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def connect(addresses: Sequence[Address], *, timeout: float) -> BoundedSocket:
    """A connection to the first of ``addresses`` that answers, within ``timeout`` seconds and the attempt's time.
    Raises OSError when none does."""
    ends_at = time.monotonic() + min(timeout, current().remaining())
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "the name has no address")
    for position, (family, kind, protocol, _name, address) in enumerate(addresses):
        left = ends_at - time.monotonic()
        if left <= 0:
            break
        share = max(left / (len(addresses) - position), min(left, _MIN_SHARE_S))
        try:
            made = BoundedSocket(family, kind, protocol)
        except OSError as error:  # an address family that this machine does not have
            failure = error
            continue
        try:
            made.settimeout(share)
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure
