"""One doorbell a process: a second one would be a second thread, and a second connection to the broker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from notify import doorbell


def test_threads_that_come_together_share_one_doorbell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell._Holder, "bell", None)
    together = Barrier(16)

    def first_look(_number: int) -> doorbell.Doorbell:
        together.wait(10)
        return doorbell._bell()

    with ThreadPoolExecutor(16) as pool:
        bells = list(pool.map(first_look, range(16)))
    assert len({id(bell) for bell in bells}) == 1
