"""Tasks: a ring is never lost between a drain that leaves and one that finds no place."""

from __future__ import annotations

import pytest

from notify import dispatch, tasks, workers

LANE = "im.bulk"


def test_a_ring_that_found_no_place_is_answered_by_the_drain_that_had_it(monkeypatch: pytest.MonkeyPatch) -> None:
    drains: list[str] = []

    def drain(*, lane: str, **_rest: object) -> int:
        drains.append(lane)
        if len(drains) == 1:
            with workers.place(LANE) as one, workers.place(LANE) as other:
                assert (one, other) == (True, False)  # this drain has the first of two places
                tasks.drain(LANE)
        return 0

    monkeypatch.setattr(dispatch, "drain", drain)
    tasks.drain(LANE)
    assert drains == [LANE, LANE]


def test_a_ring_is_one_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    drains: list[str] = []
    monkeypatch.setattr(dispatch, "drain", lambda *, lane, **_rest: drains.append(lane))
    tasks.drain(LANE)
    assert drains == [LANE]
