"""The guard on URLs that applications give us: they must not become a way into our own network.

Two looks. ``check_url`` is for acceptance: it needs no network, and refuses what can be seen to be wrong. ``vet`` is
for the moment of connecting: it judges the addresses a name really resolved to, and the connection is then made to
exactly those (``channels.adapters.connection``), so that a name which changes its mind between two look-ups gains
nothing. No library for this that is kept up works with urllib3 2: those on PyPI are for requests or httpx.

``settings.CHANNELS["ALLOW_PRIVATE_URLS"]`` lifts the ban on private addresses, and nothing else.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from channels.errors import ForbiddenUrl

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH: Final = 2048

# Our own lists, not ``ipaddress.is_global``: that one changed its mind between patch releases of Python, counts
# multicast and 6to4 as global, and knows nothing of clouds.
_REFUSED_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; Alibaba's metadata too
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent: a public address that only answers from inside
        "169.254.0.0/16",  # link-local: most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: Everything that is not global unicast is refused (loopback, ULA, link-local, NAT64, mapped and compatible IPv4,
#: multicast), and inside it these:
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa", "onion")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff\ud800-\udfff\\]")


def check_url(url: str) -> None:
    """Raises ForbiddenUrl unless ``url`` is one that we may send to, as far as can be told without the network: syntax,
    scheme, no credentials, no private address written out, no local name."""
    parts = parse(url)
    if settings.CHANNELS["ALLOW_PRIVATE_URLS"]:
        return
    host = (parts.host or "").strip("[]").rstrip(".").lower()
    address = _literal(host)
    if address is not None:
        _refuse_private([address])
    elif "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL_NAMES)):
        raise ForbiddenUrl("private_address", "the host is a local name")


def parse(url: str) -> Url:
    """``url`` taken apart by the parser that will also connect, so that the two can't disagree. Raises ForbiddenUrl
    when it is not an absolute http(s) URL with a host, no credentials, and a sane port."""
    if len(url) > MAX_URL_LENGTH:
        raise ForbiddenUrl("invalid_url", f"the URL is longer than {MAX_URL_LENGTH} characters")
    if _UNPRINTABLE.search(url):
        raise ForbiddenUrl("invalid_url", "the URL holds a space, a backslash or a control character")
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise ForbiddenUrl("invalid_url", "this is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise ForbiddenUrl("url_scheme", "only http and https URLs will do")
    if parts.auth is not None:
        raise ForbiddenUrl("url_credentials", "the URL must not hold a user name or password")
    if not (parts.host or "").strip("[]."):
        raise ForbiddenUrl("url_host", "the URL has no host")
    if parts.port == 0:
        raise ForbiddenUrl("url_port", "port 0 can't be connected to")
    return parts


def vet(addresses: Iterable[str]) -> None:
    """Raises ForbiddenUrl when any of the resolved ``addresses`` is not on the public internet. One private address
    among public ones condemns them all: whoever publishes such a name means no good, or has made a mistake."""
    if settings.CHANNELS["ALLOW_PRIVATE_URLS"]:
        return
    _refuse_private(ipaddress.ip_address(address.partition("%")[0]) for address in addresses)


def is_public(address: IPAddress) -> bool:
    """Whether ``address`` is on the public internet, and not a way round to somewhere else."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)


def _refuse_private(addresses: Iterable[IPAddress]) -> None:
    for address in addresses:
        if not is_public(address):
            raise ForbiddenUrl("private_address", "the host is not on the public internet")


def _literal(host: str) -> IPAddress | None:
    """The address that ``host`` spells out, also in the forms only C libraries read (``127.1``, ``0x7f000001``)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
