"""One dead endpoint must not keep the callbacks to all the others waiting."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels import directory, gateway
from channels.adapters import endpoints
from channels.adapters.endpoints import EndpointResting, Endpoints
from channels.errors import EndpointUnavailable, Misconfigured, Unavailable
from channels.types import OutboundMessage, SendResult
from tests.channels.wire import RawServer, http_server, message, response
from tests.conftest import WaitFor

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture(autouse=True)
def _private_urls_allowed(settings: Any) -> Iterator[None]:
    settings.CHANNELS = {**settings.CHANNELS, "ALLOW_PRIVATE_URLS": True}
    directory.forget()
    yield
    directory.forget()


def callback(server: RawServer) -> OutboundMessage:
    return message(channel="webhook", priority="bulk", to=f"{server.url}/hook", payload={}, signing_secret=SECRET)


@pytest.mark.django_db
def test_while_one_endpoint_hangs_the_callbacks_to_another_all_arrive() -> None:
    hanging = RawServer(lambda _connection: hanging.stopping.wait(60) and None)
    with hanging, http_server(response()) as healthy:
        session = gateway.open_session(channel="webhook", priority="bulk")
        session.submit([*(callback(hanging) for _ in range(200)), *(callback(healthy) for _ in range(50))])
        results: list[SendResult] = []
        ends_at = time.monotonic() + 30
        while len(results) < 246 and time.monotonic() < ends_at:
            results += session.collect(timeout=0.1, at_most=500)
        assert len(healthy.requests) == 50
        silent = [one for one in results if one.error is not None and one.error.code == "outcome_unknown"]
        turned_away = [one.error for one in results if isinstance(one.error, EndpointResting)]
        assert not silent, "nobody has run out of patience with the hanging one yet"
        assert len(turned_away) == 196
        assert all(error.retry_after and not error.uses_attempt for error in turned_away)
        session.withdraw()


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(endpoints, "time", made)
    return made


def fail(hosts: Endpoints, url: str = "https://a.example.com/", *, error: type[Exception] = Unavailable) -> None:
    with pytest.raises(error), hosts.visit(url):
        raise error("no")


def turned_away(hosts: Endpoints, url: str = "https://a.example.com/") -> EndpointUnavailable:
    with pytest.raises(EndpointResting) as caught, hosts.visit(url):
        pass
    return caught.value


def rest_of(hosts: Endpoints, clock: Clock) -> None:
    """Waits until the host may be tried again."""
    clock.now += turned_away(hosts).retry_after or 0.0


def inside(hosts: Endpoints, url: str, then: Callable[[], None]) -> None:
    with hosts.visit(url):
        then()


def test_a_prompt_host_s_place_is_worth_a_moment(wait_for: WaitFor) -> None:
    hosts, done = Endpoints(places=1), []
    threads = [
        threading.Thread(target=lambda: inside(hosts, "https://a.example.com/", lambda: done.append(1)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(done) == 20)


def test_a_host_that_did_not_answer_three_times_is_left_alone(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(3):
        fail(hosts)
    assert turned_away(hosts).retry_after


def test_an_answer_in_between_begins_the_count_again(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(3):
        fail(hosts)
        fail(hosts)
        inside(hosts, "https://a.example.com/", lambda: None)


def test_what_is_our_own_fault_is_not_counted(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(9):
        fail(hosts, error=Misconfigured)


def test_after_the_rest_one_tries_while_the_others_wait(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(3):
        fail(hosts)
    rest_of(hosts, clock)
    inside(hosts, "https://a.example.com/", lambda: turned_away(hosts) and None)
    inside(hosts, "https://a.example.com/", lambda: None)


def test_the_rest_grows_with_each_further_failure_and_not_without_end(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(3):
        fail(hosts)
    for _ in range(30):
        rest_of(hosts, clock)
        fail(hosts)
    assert 60 <= (turned_away(hosts).retry_after or 0) <= 120


def test_a_host_that_rests_leaves_the_others_alone(clock: Clock) -> None:
    hosts = Endpoints(places=4)
    for _ in range(3):
        fail(hosts)
    for url in ("https://b.example.com/", "http://a.example.com/", "https://a.example.com:8443/"):
        inside(hosts, url, lambda: None)
    turned_away(hosts, "https://A.example.com:443/other")


def test_those_turned_away_are_told_to_come_back_one_after_the_other(clock: Clock) -> None:
    hosts = Endpoints(places=1)
    waits: list[float] = []

    def come_too_late() -> None:
        clock.now += 1  # the host is not a prompt one
        waits.extend(turned_away(hosts).retry_after or 0 for _ in range(500))

    inside(hosts, "https://a.example.com/", come_too_late)
    assert waits == sorted(waits)
    assert waits[10] > waits[1]
    assert waits[-1] == 60


def test_not_more_hosts_are_remembered_than_there_is_room_for(clock: Clock) -> None:
    hosts = Endpoints(places=1)
    for number in range(3000):
        inside(hosts, f"https://{number}.example.com/", lambda: None)
    assert len(hosts._hosts) <= 1024


def test_threads_have_no_more_places_than_there_are(wait_for: WaitFor) -> None:
    hosts, gate, refused = Endpoints(places=3), threading.Event(), []

    def visit() -> None:
        try:
            inside(hosts, "https://a.example.com/", lambda: gate.wait(10) and None)
        except EndpointResting as error:
            refused.append(error)

    threads = [threading.Thread(target=visit) for _ in range(10)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(refused) == 7)
    gate.set()
    for thread in threads:
        thread.join()
    inside(hosts, "https://a.example.com/", lambda: None)
