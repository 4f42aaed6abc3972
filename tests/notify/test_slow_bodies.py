"""Bodies that come slowly, or never: they hold threads, and not all of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from notify.api import bodies
from notify.api.bodies import Readers, TooManyBodies
from notify.api.parsers import read_body
from notify.models import ApiKey
from tests.conftest import WaitFor


class Stalled(io.RawIOBase):
    """A body of which nothing comes until ``released``."""

    def __init__(self) -> None:
        self.asked, self.released = threading.Event(), threading.Event()

    def read(self, size: int = -1, /) -> bytes:
        self.asked.set()
        self.released.wait(30)
        return b""


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Readers:
    readers = Readers(most=3, most_of_one=2, patience_s=0.05)
    monkeypatch.setattr(bodies, "_readers", readers)
    return readers


@pytest.fixture
def slow(readers: Readers) -> Iterator[Any]:
    """Begins to read a body of an application, which goes on until ``let_go``."""
    pool, begun = ThreadPoolExecutor(8), list[tuple[Stalled, Future[bytes]]]()

    def begin(application_id: int | None) -> Future[bytes]:
        body = Stalled()
        begun.append((body, pool.submit(read_body, request(application_id, body))))
        assert body.asked.wait(10)
        return begun[-1][1]

    def let_go() -> None:
        for body, _done in begun:
            body.released.set()

    begin.let_go = let_go  # type: ignore[attr-defined]
    yield begin
    let_go()
    pool.shutdown()


def request(application_id: int | None, body: Any) -> Request:
    made = RequestFactory().post("/", content_type="application/json")
    del made.META["CONTENT_LENGTH"]
    made.META.update({"wsgi.input_terminated": True, "wsgi.input": body})
    wrapped = Request(made)
    key = None if application_id is None else ApiKey(application_id=application_id)
    wrapped.user, wrapped.auth = None, key  # type: ignore[assignment]
    return wrapped


def test_one_application_does_not_hold_every_thread(slow: Any) -> None:
    slow(1), slow(1)

    with pytest.raises(TooManyBodies) as refused:
        read_body(request(1, io.BytesIO(b"{}")))

    assert (refused.value.status, refused.value.code) == (503, "too_many_bodies")
    assert refused.value.retry_after is not None
    assert read_body(request(2, io.BytesIO(b"{}"))) == b"{}"


def test_those_who_show_no_key_hold_fewer_threads(monkeypatch: pytest.MonkeyPatch, slow: Any) -> None:
    monkeypatch.setattr(bodies, "_readers", Readers(most=3, most_of_one=2, most_of_strangers=1, patience_s=0.05))
    slow(None)

    with pytest.raises(TooManyBodies):
        read_body(request(None, io.BytesIO(b"{}")))
    assert read_body(request(1, io.BytesIO(b"{}"))) == b"{}"


def test_all_of_them_together_leave_a_thread(slow: Any) -> None:
    slow(1), slow(2), slow(3)

    with pytest.raises(TooManyBodies):
        read_body(request(4, io.BytesIO(b"{}")))


def test_a_place_that_becomes_free_is_taken(slow: Any, wait_for: WaitFor) -> None:
    held = slow(1), slow(1)
    slow.let_go()
    wait_for(lambda: all(one.done() for one in held))

    assert read_body(request(1, io.BytesIO(b"{}"))) == b"{}"


def test_a_body_waits_while_the_others_are_quick(monkeypatch: pytest.MonkeyPatch, slow: Any) -> None:
    monkeypatch.setattr(bodies, "_readers", Readers(most=3, most_of_one=2, patience_s=30))
    slow(1), slow(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read_body, request(1, io.BytesIO(b"{}")))
        slow.let_go()

        assert waiting.result(20) == b"{}"
