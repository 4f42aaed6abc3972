"""From what happened to figures, and from figures to a verdict: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_portal.drills import progress, timings, verdict
from admin_portal.drills.hypothesis import Hypothesis
from admin_portal.drills.plot import Plot, Series
from admin_portal.drills.progress import Move, Schedule, Standing
from admin_portal.drills.terms import Terms
from admin_portal.drills.timings import Change, Fault, Sent
from admin_portal.drills.verdict import Measured
from admin_portal.models.drills import DrillPhase
from channels.names import FaultKind

BEGIN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FAULT = Fault(channel="sms", provider="sms-a", begins=BEGIN, ends=BEGIN + timedelta(seconds=60))


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def change(seconds: float, after: str, *, share: float = 0.0, target: str = "provider:sms-a", **values: Any) -> Change:
    return Change(
        at=at(seconds), target=target, before="healthy", after=after, share_before=1.0, share_after=share, **values
    )


def test_it_switched_when_the_first_message_went_another_way_after_that_was_decided() -> None:
    changes = [change(4, "degraded", share=0.6), change(7, "open")]
    sent = [Sent(at(5), "sms", "sms-b"), Sent(at(8), "sms", "sms-a"), Sent(at(9), "sms", "sms-b")]
    found = timings.measure(changes, sent, fault=FAULT)
    assert (found.detect_s, found.switch_s) == (4.0, 9.0)


def test_without_another_way_it_never_switched() -> None:
    found = timings.measure([change(7, "open")], [Sent(at(8), "sms", "sms-a")], fault=FAULT)
    assert found.switch_s is None


def test_what_a_plan_did_is_no_detection_of_the_engine() -> None:
    changes = [change(1, "disable_provider", source="plan")]
    found = timings.measure(changes, [Sent(at(2), "sms", "sms-b")], fault=FAULT)
    assert (found.detect_s, found.switch_s) == (None, 2.0)


@pytest.mark.parametrize("does", ["shed_bulk", "throttle", "pause"])
def test_a_plan_that_only_holds_something_back_has_moved_no_traffic(does: str) -> None:
    sent = [Sent(at(2), "sms", "sms-b")]
    assert timings.measure([change(1, does, source="plan")], sent, fault=FAULT).switch_s is None


def test_who_is_disabled_by_an_order_is_not_held_to_be_unwell() -> None:
    found = timings.measure([change(2, "disabled"), change(4, "open", target="provider:sms-b")], [], fault=FAULT)
    assert found.detect_s == 4.0


def test_the_outage_of_a_channel_is_over_when_messages_go_over_another_channel() -> None:
    fault = Fault(channel="sms", provider="", begins=FAULT.begins, ends=FAULT.ends)
    changes = [change(3, "switched", target="channel:sms")]
    found = timings.measure(changes, [Sent(at(4), "sms", "sms-b"), Sent(at(5), "inapp", "inbox")], fault=fault)
    assert found.switch_s == 5.0


def test_it_recovered_when_the_last_target_was_as_before() -> None:
    changes = [change(3, "open"), change(70, "recovering", share=0.1), change(85, "healthy", share=1.0)]
    assert timings.measure(changes, [], fault=FAULT).recover_s == 25.0


def test_it_did_not_recover_while_one_target_is_not_as_before() -> None:
    changes = [change(3, "open"), change(70, "healthy", share=1.0), change(75, "switched", target="channel:sms")]
    found = timings.measure(changes, [], fault=FAULT)
    assert found.recover_s is None
    assert found.still == {"channel:sms": "switched"}


def test_what_was_not_seen_while_it_was_watched_is_said_to_be_that_and_is_no_pass() -> None:
    hypothesis = Hypothesis(detect_within_s=10, recover_within_s=20)
    found = verdict.judge(hypothesis, Measured(sent=9, lost=0, duplicated=0, undelivered=0, watched_s=24.4))
    assert [(one.what, one.good, one.says()) for one in found[:2]] == [
        ("detect", False, "not seen, within 10 s expected"),
        ("recover", False, "not seen in the 24 s that were watched, within 20 s expected"),
    ]


def test_messages_that_were_not_accepted_fail_the_drill() -> None:
    found = verdict.judge(Hypothesis(), Measured(sent=9, lost=0, duplicated=0, undelivered=0, refused=3))
    assert [(one.what, one.measured) for one in found if not one.good] == [("refused", 3)]


def test_every_expectation_has_a_finding_and_what_was_not_expected_has_none() -> None:
    found = verdict.judge(
        Hypothesis(switch_within_s=10), Measured(sent=100, lost=1, duplicated=0, undelivered=7, switch_s=9.5)
    )
    assert [(one.what, one.good) for one in found] == [("switch", True), ("lost", False), ("duplicated", True)]


def test_a_drill_that_sent_nothing_has_measured_nothing() -> None:
    found = verdict.judge(Hypothesis(), Measured(sent=0, lost=0, duplicated=0, undelivered=0))
    assert [one.what for one in found if not one.good] == ["sent"]


def test_a_plan_that_stopped_fails_the_drill_and_says_where() -> None:
    found = verdict.judge(
        Hypothesis(), Measured(sent=9, lost=0, duplicated=0, undelivered=0, plan="Step 2: the provider answers")
    )
    assert [one.says() for one in found if not one.good] == [
        "The plan did not come to its end: Step 2: the provider answers"
    ]


def _standing(phase: DrillPhase, **values: Any) -> Standing:
    terms = Terms(channel="sms", fault=FaultKind.ERRORS, warm_s=10, fault_s=20, recover_s=10)
    return Standing(phase=phase, schedule=Schedule.of(terms, opens_at=BEGIN), **values)


def test_the_clock_leads_from_phase_to_phase() -> None:
    moves = [
        (DrillPhase.OPENED, 3, Move.LOAD),
        (DrillPhase.LOADED, 13, Move.FAULT),
        (DrillPhase.FAULTY, 33, Move.RECOVER),
        (DrillPhase.MEASURED, 44, Move.REPORT),
    ]
    for phase, seconds, move in moves:
        run = _standing(phase, driven_until=at(seconds - 1))
        assert progress.next_move(run, now=at(seconds)) is move


def test_it_is_measured_when_all_has_settled_or_the_stage_closes() -> None:
    recovering = {"phase": DrillPhase.RECOVERING, "driven_until": at(43)}
    assert progress.next_move(_standing(**recovering), now=at(50)) is None
    assert progress.next_move(_standing(**recovering, settled=True), now=at(50)) is Move.MEASURE
    assert progress.next_move(_standing(**recovering), now=at(103)) is Move.MEASURE


def test_nothing_is_measured_before_somebody_looked_what_became_of_the_messages() -> None:
    run = _standing(DrillPhase.RECOVERING, driven_until=at(43), settled=True, looked=False)
    assert progress.next_move(run, now=at(103)) is None


def test_after_the_load_nobody_has_to_drive_it() -> None:
    run = _standing(DrillPhase.RECOVERING, driven_until=at(43), settled=True)
    assert progress.next_move(run, now=at(3600)) is Move.MEASURE


def test_the_load_is_even_whatever_the_rhythm_and_never_sent_all_at_once() -> None:
    until, total = at(0), 0
    for seconds in (0.7, 1.9, 3.0, 4.2):
        count, until = progress.due_load(driven_until=until, load_until=at(60), rate_per_s=5, now=at(seconds))
        total += count
    assert total == 21
    count, _until = progress.due_load(driven_until=at(5), load_until=at(60), rate_per_s=5, now=at(40))
    assert count == 15


def test_the_plot_is_as_wide_as_the_drill_and_shades_the_fault() -> None:
    series = Series.of(sent=[(at(1), "<b>"), (at(1.5), "<b>")], failed=[at(30)], begins=BEGIN, ends=at(100))
    drawn = str(
        Plot(series=series, begins=BEGIN, ends=at(100), faulty_from=at(20), faulty_until=at(70), marks=()).draw()
    )
    assert 'class="drill-fault" x="218.4"' in drawn
    assert "drill-line-failed" in drawn
    assert Series.from_json(series.as_json()).sent == {"<b>": [0, 2, *[0] * 99]}
