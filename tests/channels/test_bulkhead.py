"""Bulkheads: what hangs takes only its own places."""

from __future__ import annotations

from threading import Event, Lock

from channels.bulkhead import Bulkhead
from tests.conftest import WaitFor


class Counter:
    def __init__(self) -> None:
        self.running = self.most = self.done = 0
        self.lock = Lock()


def hold(counter: Counter, gate: Event) -> None:
    with counter.lock:
        counter.running += 1
        counter.most = max(counter.most, counter.running)
    gate.wait(10)
    with counter.lock:
        counter.running -= 1
        counter.done += 1


def test_no_more_run_at_once_than_there_are_places(wait_for: WaitFor) -> None:
    bulkhead, counter, gate = Bulkhead(name="t", size=4), Counter(), Event()
    for _ in range(20):
        bulkhead.submit("critical", lambda: hold(counter, gate))
    wait_for(lambda: counter.running == 4)
    gate.set()
    wait_for(lambda: counter.done == 20)
    assert counter.most == 4


def test_bulk_that_hangs_leaves_places_for_what_is_critical(wait_for: WaitFor) -> None:
    bulkhead, counter, gate, reached = Bulkhead(name="t", size=10), Counter(), Event(), Event()
    for _ in range(50):
        bulkhead.submit("bulk", lambda: hold(counter, gate))
    wait_for(lambda: counter.running == 6)
    bulkhead.submit("critical", reached.set)
    assert reached.wait(5)
    gate.set()


def test_what_is_urgent_goes_before_what_waited_longer(wait_for: WaitFor) -> None:
    bulkhead, counter, gate = Bulkhead(name="t", size=1), Counter(), Event()
    order: list[str] = []
    bulkhead.submit("bulk", lambda: hold(counter, gate))
    bulkhead.submit("bulk", lambda: order.append("bulk"))
    bulkhead.submit("critical", lambda: order.append("critical"))
    gate.set()
    wait_for(lambda: len(order) == 2)
    assert order == ["critical", "bulk"]


def test_what_waits_can_be_withdrawn_and_what_runs_can_not(wait_for: WaitFor) -> None:
    bulkhead, counter, gate = Bulkhead(name="t", size=1), Counter(), Event()
    bulkhead.submit("normal", lambda: hold(counter, gate))
    waiting = [lambda: hold(counter, gate) for _ in range(3)]
    for work in waiting:
        bulkhead.submit("normal", work)
    assert len(bulkhead.withdraw("normal", lambda work: work is waiting[0])) == 2
    gate.set()
    wait_for(lambda: counter.done == 2)
    assert counter.running == 0


def test_closing_waits_for_what_was_submitted(wait_for: WaitFor) -> None:
    bulkhead, counter, gate, closed = Bulkhead(name="t", size=2), Counter(), Event(), Event()
    for _ in range(4):
        bulkhead.submit("normal", lambda: hold(counter, gate))
    bulkhead.close(then=closed.set)
    assert not closed.is_set()
    gate.set()
    assert closed.wait(5)
    assert counter.done == 4
