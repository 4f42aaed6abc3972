"""The guard on applications' URLs."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from channels import ssrf
from channels.errors import ForbiddenUrl


@pytest.fixture(autouse=True)
def _guarded(settings: Any) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": False}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a?b=c#d",
        "https://sub.example.co.uk/hook",
        "https://8.8.8.8/x",
        "https://[2606:4700:4700::1111]/x",
        "https://例え.jp/",
        "HTTPS://EXAMPLE.COM/",
    ],
)
def test_an_ordinary_url_is_let_through(url: str) -> None:
    ssrf.check_url(url)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "url_scheme"),
        ("example.com/x", "url_scheme"),
        ("//example.com/x", "url_scheme"),
        ("ftp://example.com", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("gopher://example.com", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("http://", "url_host"),
        ("http:///x", "url_host"),
        ("http://./", "url_host"),
        ("http://user@example.com", "url_credentials"),
        ("http://user:pass@example.com", "url_credentials"),
        ("http://example.com:0/", "url_port"),
        ("http://example.com:99999/", "invalid_url"),
        ("http://example.com:x/", "invalid_url"),
        ("http://[::1", "invalid_url"),
        ("http://exa mple.com", "invalid_url"),
        ("http://example.com/\r\nX: 1", "invalid_url"),
        ("http://example.com\\@127.0.0.1/", "invalid_url"),
        ("http://example.com/\x00", "invalid_url"),
        ("http://example.com/\ud800", "invalid_url"),
        ("http://example.com/\u202e", "invalid_url"),
        ("http://example.com/" + "a" * 3000, "invalid_url"),
        ("http://localhost", "private_address"),
        ("http://LOCALHOST.:80/", "private_address"),
        ("http://a.localhost/", "private_address"),
        ("http://intranet/", "private_address"),
        ("http://db.internal/", "private_address"),
        ("http://metadata.google.internal/", "private_address"),
        ("http://printer.local/", "private_address"),
        ("http://127.0.0.1/", "private_address"),
        ("http://127.1/", "private_address"),
        ("http://0x7f000001/", "private_address"),
        ("http://0177.0.0.1/", "private_address"),
        ("http://2130706433/", "private_address"),
        ("http://0/", "private_address"),
        ("http://10.1.2.3./", "private_address"),
        ("http://[::1]/", "private_address"),
        ("http://[::ffff:127.0.0.1]/", "private_address"),
        ("http://[fe80::1%25eth0]/", "private_address"),
    ],
)
def test_a_url_that_can_be_seen_to_be_wrong_is_refused_with_the_reason(url: str, code: str) -> None:
    with pytest.raises(ForbiddenUrl) as caught:
        ssrf.check_url(url)
    assert caught.value.code == code


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "intranet", "[::1]:80"])
def test_the_setting_lets_private_addresses_through(settings: Any, scheme: str, host: str) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": True}
    ssrf.check_url(f"{scheme}://{host}/x")
    ssrf.vet(["127.0.0.1"])


@pytest.mark.parametrize("url", ["ftp://localhost", "http://user:pass@localhost", "http://a b"])
def test_the_setting_lifts_nothing_else(settings: Any, url: str) -> None:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": True}
    with pytest.raises(ForbiddenUrl):
        ssrf.check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_off_the_public_internet_is_refused(address: str) -> None:
    assert not ssrf.is_public(ipaddress.ip_address(address))
    with pytest.raises(ForbiddenUrl):
        ssrf.vet(["8.8.8.8", address])


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2400:3200::1", "::ffff:8.8.8.8"],
)
def test_an_address_on_the_public_internet_is_not(address: str) -> None:
    assert ssrf.is_public(ipaddress.ip_address(address))
    ssrf.vet([address])


def test_a_zone_does_not_hide_an_address() -> None:
    with pytest.raises(ForbiddenUrl):
        ssrf.vet(["fe80::1%eth0"])
