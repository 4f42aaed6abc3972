"""Who may move a request whither: the table, and that no way leads round it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_portal.steering import approval
from admin_portal.steering.actions import Kind
from admin_portal.steering.approval import Approved, Case, Move, Severity, State
from admin_portal.steering.errors import MoveRefused

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
WANG, LI, CHEN = 1, 2, 3
#: Every state a move may be made from, and where it leads when one approver is needed and nobody has approved yet.
TABLE = {
    (State.DRAFT, Move.CHANGE): State.DRAFT,
    (State.DRAFT, Move.SUBMIT): State.PENDING,
    (State.DRAFT, Move.WITHDRAW): State.WITHDRAWN,
    (State.DRAFT, Move.BREAK_GLASS): State.ACTIVE,
    (State.PENDING, Move.CHANGE): State.PENDING,
    (State.PENDING, Move.APPROVE): State.APPROVED,
    (State.PENDING, Move.REJECT): State.REJECTED,
    (State.PENDING, Move.WITHDRAW): State.WITHDRAWN,
    (State.PENDING, Move.BREAK_GLASS): State.ACTIVE,
    (State.PENDING, Move.LAPSE): State.LAPSED,
    (State.PENDING, Move.SUPERSEDE): State.ENDED,
    (State.APPROVED, Move.CHANGE): State.PENDING,
    (State.APPROVED, Move.REJECT): State.REJECTED,
    (State.APPROVED, Move.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Move.BREAK_GLASS): State.ACTIVE,
    (State.APPROVED, Move.LAPSE): State.LAPSED,
    (State.APPROVED, Move.SUPERSEDE): State.ENDED,
    (State.APPROVED, Move.APPLY): State.ACTIVE,
    (State.ACTIVE, Move.EXPIRE): State.ENDED,
    (State.ACTIVE, Move.REVERT): State.ENDED,
    (State.ACTIVE, Move.SUPERSEDE): State.ENDED,
}
BY_REQUESTER = {Move.CHANGE, Move.SUBMIT, Move.WITHDRAW}


def case_in(state: State) -> Case:
    approvals = (Approved(LI, 1, NOW),) if state in {State.APPROVED, State.ACTIVE} else ()
    return Case(state=state, requester=WANG, approvals=approvals)


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("state", State)
def test_every_move_leads_where_the_table_says_or_nowhere(state: State, move: Move) -> None:
    by = WANG if move in BY_REQUESTER else CHEN
    expected = TABLE.get((state, move))
    if expected is None:
        with pytest.raises(MoveRefused) as refused:
            approval.move(case_in(state), move, by=by, now=NOW)
        assert str(refused.value)
    else:
        assert approval.move(case_in(state), move, by=by, now=NOW).state is expected


@pytest.mark.parametrize("move", [Move.APPROVE, Move.REJECT])
def test_nobody_decides_on_a_request_of_their_own(move: Move) -> None:
    with pytest.raises(MoveRefused) as refused:
        approval.move(case_in(State.PENDING), move, by=WANG, now=NOW)
    assert refused.value.code == "own_request"


@pytest.mark.parametrize("move", sorted(BY_REQUESTER))
def test_only_the_requester_changes_submits_and_withdraws(move: Move) -> None:
    with pytest.raises(MoveRefused) as refused:
        approval.move(case_in(State.DRAFT), move, by=LI, now=NOW)
    assert refused.value.code == "not_the_requester"


def test_two_approvals_have_to_be_of_two_people() -> None:
    once = approval.move(Case(state=State.PENDING, requester=WANG, needed=2), Move.APPROVE, by=LI, now=NOW)
    assert once.state is State.PENDING
    with pytest.raises(MoveRefused) as refused:
        approval.move(once, Move.APPROVE, by=LI, now=NOW)
    assert refused.value.code == "approved_already"
    assert approval.move(once, Move.APPROVE, by=CHEN, now=NOW).state is State.APPROVED


def test_a_change_makes_former_approvals_worthless() -> None:
    once = approval.move(Case(state=State.PENDING, requester=WANG, needed=2), Move.APPROVE, by=LI, now=NOW)
    changed = approval.move(once, Move.CHANGE, by=WANG, now=NOW)
    assert changed.missing(now=NOW) == 2
    assert approval.move(changed, Move.APPROVE, by=LI, now=NOW).missing(now=NOW) == 1


def test_an_approval_that_waits_too_long_for_the_other_counts_no_more() -> None:
    once = approval.move(Case(state=State.PENDING, requester=WANG, needed=2), Move.APPROVE, by=LI, now=NOW)
    later = NOW + approval.APPROVAL_COUNTS
    assert approval.move(once, Move.APPROVE, by=CHEN, now=later).state is State.PENDING
    assert approval.move(once, Move.APPROVE, by=LI, now=later).missing(now=later) == 1


def test_what_was_approved_in_time_may_start_later() -> None:
    approved = approval.move(case_in(State.PENDING), Move.APPROVE, by=LI, now=NOW)
    assert approval.move(approved, Move.APPLY, by=None, now=NOW + timedelta(days=3)).state is State.ACTIVE


def test_without_a_rule_that_asks_for_approvers_a_request_is_approved_when_it_is_submitted() -> None:
    assert approval.move(case_in(State.DRAFT), Move.SUBMIT, by=WANG, now=NOW, needed=0).state is State.APPROVED


@pytest.mark.parametrize(
    ("severity", "kind", "needed"),
    [
        (Severity.LOW, Kind.SHED_BULK, 0),
        (Severity.MEDIUM, Kind.SHED_BULK, 1),
        (Severity.HIGH, Kind.SHED_BULK, 1),
        (Severity.LOW, Kind.PAUSE, 1),
        (Severity.MEDIUM, Kind.PAUSE, 2),
        (Severity.MEDIUM, Kind.SWITCH_CHANNEL, 2),
        (Severity.MEDIUM, Kind.DISABLE_PROVIDER, 1),
        (Severity.HIGH, Kind.SET_WEIGHTS, 2),
    ],
)
def test_the_more_it_hurts_the_more_approvers_it_takes(severity: Severity, kind: Kind, needed: int) -> None:
    assert approval.needed_by_default(severity=severity, kind=kind) == needed


@pytest.mark.parametrize(
    ("start", "end", "wrong"),
    [
        (None, timedelta(minutes=15), None),
        (None, timedelta(days=7), None),
        (timedelta(days=2), timedelta(days=9), None),
        (-timedelta(minutes=5), timedelta(minutes=15), None),
        (None, None, "ends_at"),
        (None, timedelta(0), "ends_at"),
        (None, -timedelta(hours=1), "ends_at"),
        (None, timedelta(minutes=14), "ends_at"),
        (None, timedelta(days=7, seconds=1), "ends_at"),
        (timedelta(hours=1), timedelta(hours=1), "ends_at"),
        (timedelta(hours=2), timedelta(hours=1), "ends_at"),
        (timedelta(days=31), timedelta(days=32), "starts_at"),
    ],
)
def test_a_window_is_between_a_quarter_of_an_hour_and_a_week(
    start: timedelta | None, end: timedelta | None, wrong: str | None
) -> None:
    faults = approval.faults_of_window(
        starts_at=None if start is None else NOW + start, ends_at=None if end is None else NOW + end, now=NOW
    )
    assert list(faults) == ([] if wrong is None else [wrong])


# --- no way round it --------------------------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(Move),
        st.sampled_from([None, WANG, LI, CHEN]),
        st.integers(min_value=0, max_value=2),  # approvers needed, with submit and change
        st.integers(min_value=0, max_value=20),  # hours that go by
    ),
    max_size=30,
)


@given(moves=MOVES)
def test_nothing_comes_into_force_without_the_approvals_of_distinct_others_but_by_breaking_the_glass(
    moves: list[tuple[Move, int | None, int, int]],
) -> None:
    case, now = Case(requester=WANG, needed=2), NOW
    said: dict[int, set[int]] = {}
    for move, by, needed, hours in moves:
        now += timedelta(hours=hours)
        before = case
        try:
            with_rule = needed if move in {Move.SUBMIT, Move.CHANGE} else None
            case = approval.move(case, move, by=by, now=now, needed=with_rule)
        except MoveRefused:
            continue
        if move is Move.APPROVE and by is not None:
            said.setdefault(before.version, set()).add(by)
        if case.state is State.ACTIVE and before.state is not State.ACTIVE:
            others = said.get(case.version, set()) - {WANG}
            assert case.broke_glass or len(others) >= case.needed
        assert case.version == before.version + (move is Move.CHANGE)


@given(moves=MOVES)
def test_what_is_over_stays_over(moves: list[tuple[Move, int | None, int, int]]) -> None:
    over = {State.ENDED, State.REJECTED, State.WITHDRAWN, State.LAPSED}
    for state in over:
        for move, by, _needed, _hours in moves:
            with pytest.raises(MoveRefused):
                approval.move(Case(state=state, requester=WANG), move, by=by, now=NOW)


@given(
    content=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4),
    other=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4),
)
def test_two_different_requests_never_share_a_digest(content: dict[str, str], other: dict[str, str]) -> None:
    assert (approval.digest(content) == approval.digest(other)) is (content == other)
