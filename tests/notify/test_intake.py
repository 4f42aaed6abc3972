"""What a process put into the lanes lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notify.intake import Intake

LANE = "sms.bulk"


def test_what_came_after_a_moment_is_counted_by_lane() -> None:
    intake = Intake()
    intake.note({LANE: 5, "email.bulk": 7}, at=10.0)
    intake.note({LANE: 3}, at=20.0)
    assert intake.since(LANE, at=5.0) == 8
    assert intake.since(LANE, at=15.0) == 3
    assert intake.since(LANE, at=20.0) == 0
    assert intake.since("email.bulk", at=5.0) == 7
    assert intake.since("push.bulk", at=5.0) == 0


def test_what_is_long_ago_is_forgotten() -> None:
    intake = Intake()
    intake.note({LANE: 5}, at=0.0)
    intake.note({LANE: 1}, at=1_000.0)
    assert intake.since(LANE, at=-1.0) == 1


def test_it_does_not_grow_with_what_comes() -> None:
    intake = Intake()
    for number in range(50_000):
        intake.note({LANE: 1}, at=number / 64)
    assert len(intake._grains[LANE]) < 1_300
    assert intake.since(LANE, at=45_000 / 64) >= 4_990


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 1000)), max_size=40), st.floats(0, 40))
def test_a_count_is_right_to_the_grain(notes: list[tuple[float, int]], at: float) -> None:
    intake = Intake()
    for moment, count in sorted(notes):
        intake.note({LANE: count}, at=moment)
    exact = sum(count for moment, count in notes if moment > at)
    earlier = sum(count for moment, count in notes if moment > at + 0.1)
    assert earlier <= intake.since(LANE, at=at) <= exact
