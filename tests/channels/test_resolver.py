"""Looking names up: a slow name takes one resolver, and nobody waits for it for ever."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from channels.adapters import deadline
from channels.adapters.resolver import Resolver
from tests.conftest import WaitFor

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Dns:
    """Names under slow.example.com are not answered until ``answer`` is set; the others are at once."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answer = threading.Event()

    def getaddrinfo(self, host: str, *_args: Any, **_kwargs: Any) -> Any:
        self.asked[host] += 1
        if host.endswith("slow.example.com"):
            self.answer.wait(30)
        return FOUND


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dns]:
    made = Dns()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.answer.set()


def wait_in_vain(resolver: Resolver, host: str) -> None:
    with pytest.raises(TimeoutError):
        resolver.look_up(host, 80, timeout=30)


def ask(resolver: Resolver, host: str) -> threading.Thread:
    thread = threading.Thread(target=wait_in_vain, args=(resolver, host), daemon=True)
    thread.start()
    return thread


def test_a_name_that_is_slow_is_not_waited_for_beyond_the_limit(dns: Dns) -> None:
    wait_in_vain(Resolver(name="t", threads=2, limit_s=0.05), "slow.example.com")


def test_a_slow_name_takes_one_resolver_however_many_ask_for_it(dns: Dns) -> None:
    resolver = Resolver(name="t", threads=2, limit_s=0.3)
    asking = [ask(resolver, "slow.example.com") for _ in range(8)]
    assert resolver.look_up("fast.example.com", 80, timeout=10) == FOUND
    for thread in asking:
        thread.join()
    assert dns.asked == {"slow.example.com": 1, "fast.example.com": 1}


def test_what_nobody_waits_for_any_more_is_not_looked_up(dns: Dns, wait_for: WaitFor) -> None:
    resolver = Resolver(name="t", threads=1, limit_s=0.3)
    for host in ("slow.example.com", "late.example.com"):
        ask(resolver, host).join()
    dns.answer.set()
    wait_for(lambda: not resolver._lookups)
    assert resolver.look_up("fast.example.com", 80, timeout=10) == FOUND
    assert dns.asked["late.example.com"] == 0


def test_a_name_is_looked_up_anew_each_time(dns: Dns) -> None:
    resolver = Resolver(name="t", threads=1, limit_s=5)
    for _ in range(2):
        resolver.look_up("fast.example.com", 80, timeout=10)
    assert dns.asked["fast.example.com"] == 2


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".com"])
def test_what_can_be_no_name_is_one_that_does_not_exist(host: str) -> None:
    with pytest.raises(socket.gaierror):
        Resolver(name="t", threads=1, limit_s=5).look_up(host, 80, timeout=5)


def test_applications_slow_names_keep_no_provider_waiting(dns: Dns, wait_for: WaitFor) -> None:
    def occupy(number: int) -> None:
        with deadline.attempt(1), pytest.raises(TimeoutError):
            deadline.resolve(f"{number}.slow.example.com", 80, guarded=True)

    threads = [threading.Thread(target=occupy, args=(number,), daemon=True) for number in range(20)]
    for thread in threads:
        thread.start()
    wait_for(lambda: sum(dns.asked.values()) == 16)
    with deadline.attempt(10):
        assert deadline.resolve("provider.example.com", 80) == FOUND
    for thread in threads:
        thread.join()
