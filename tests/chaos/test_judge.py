"""The judge itself: it must see a loss, and a duplicate that nothing explains, or its verdicts are worth nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.fault import Cause, Expect
from tests.chaos.judge import Call, Evidence, History, Judgement, Taking, judge

BALANCED: dict[str, Any] = {"unaccounted": 0, "in_flight": {}, "suspected_duplicates": 0}


def call(number: int, *, status: int = 202, retry_after: bool = True) -> Call:
    return Call(number=number, at=100.0 + number, took=0.01, status=status, id=f"d{number}", retry_after=retry_after)


def taking(number: int, *, at: float = 0.0, kind: str = "answer", taken: bool = True) -> Taking:
    return Taking(at=at or 100.0 + number, id=f"d{number}", text=f"load-{number}", kind=kind, taken=taken)


def evidence(**changes: Any) -> Evidence:
    """Three messages, accepted and handed over once each."""
    numbers = range(3)
    whole = Evidence(
        calls=[call(number) for number in numbers],
        repeated=[],
        takings=[taking(number) for number in numbers],
        histories={f"d{number}": History(status="sent") for number in numbers},
        books=BALANCED,
        injected_at=100.5,
        healed_at=101.5,
        load_ended_at=110.0,
        drained_s=1.0,
    )
    return replace(whole, **changes)


def judged(expect: Expect | None = None, **changes: Any) -> Judgement:
    return judge(evidence(**changes), expect or Expect())


def test_messages_handed_over_once_each_are_held_against_nobody() -> None:
    found = judged()

    assert found.held
    assert (found.accepted, found.delivered, found.lost, found.duplicates) == (3, 3, 0, {})


def test_an_accepted_message_that_the_provider_never_got_is_lost_though_the_product_says_sent() -> None:
    found = judged(takings=[taking(0), taking(1)])

    assert found.lost == 1
    assert not found.held


def test_a_message_that_a_fault_may_leave_held_is_not_lost() -> None:
    histories = {**evidence().histories, "d2": History(status="held")}
    some = {"takings": [taking(0), taking(1)], "histories": histories}

    assert judged(Expect(ends=frozenset({"held"})), **some).lost == 0
    assert judged(Expect(), **some).lost == 1


def test_a_request_that_was_not_taken_counts_for_nothing() -> None:
    found = judged(takings=[*evidence().takings[:2], taking(2, kind="hour", taken=False)])

    assert found.lost == 1


def test_a_second_taking_without_a_reason_in_the_history_is_unexplained() -> None:
    found = judged(Expect(duplicates=frozenset(Cause)), takings=[*evidence().takings, taking(1)])

    assert found.duplicates_unexplained == 1
    assert not found.held


@pytest.mark.parametrize(
    ("history", "cause"),
    [(History(status="sent", expired=1), Cause.LEASE), (History(status="sent", asked=1), Cause.UNKNOWN)],
)
def test_a_second_taking_is_explained_by_the_history_and_allowed_by_the_fault(history: History, cause: Cause) -> None:
    twice = {"takings": [*evidence().takings, taking(1)], "histories": {**evidence().histories, "d1": history}}

    assert judged(Expect(duplicates=frozenset({cause})), **twice).held
    assert judged(Expect(), **twice).against == [f"duplicates that should not be: {{{cause!r}: 1}}"]


def test_one_key_that_became_two_deliveries_was_accepted_twice() -> None:
    found = judged(takings=[*evidence().takings, replace(taking(1), id="another")])

    assert found.accepted_twice == 1
    assert not found.held


def test_refusals_are_counted_in_messages_and_in_seconds_and_have_to_be_allowed() -> None:
    calls = [*evidence().calls, call(3, status=503), replace(call(4, status=503), at=103.9), call(5, status=0)]

    found = judged(Expect(refusals=True), calls=calls)

    assert (found.refused, found.unanswered, found.refused_s) == (2, 1, 2)
    assert found.held
    assert not judged(calls=calls).held


def test_a_refusal_without_retry_after_is_held_against_the_product() -> None:
    calls = [*evidence().calls, call(3, status=503, retry_after=False)]

    assert judged(Expect(refusals=True), calls=calls).against == ["1 times 503 without Retry-After"]


def test_a_request_that_is_refused_for_good_is_held_against_the_product() -> None:
    assert not judged(Expect(refusals=True), repeated=[call(3, status=500)]).held


def test_the_lane_moves_again_at_the_end_of_the_longest_gap() -> None:
    moments = [100.0, 100.4, 105.0, 105.4]
    takings = [taking(number, at=moment) for number, moment in enumerate(moments)]

    assert judged(takings=takings, calls=evidence().calls).moves_again_s == 4.5


def test_books_that_do_not_balance_are_held_against_the_product() -> None:
    assert judged(books={**BALANCED, "unaccounted": 1}).against == ["reconcile: 1 unaccounted"]


def test_a_lane_that_is_not_drained_is_held_against_the_product() -> None:
    assert not judged(drained_s=None, books={**BALANCED, "in_flight": {"queued": 1}}).held
