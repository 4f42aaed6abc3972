"""What needs a person, the worst first: pure."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from admin_portal.board.attention import Gravity, Item, Scene, find
from admin_portal.board.queries import Count, Pulse
from admin_portal.board.rows import ChannelRow, ProviderRow
from admin_portal.board.sparkline import HEIGHT, WIDTH, Sparkline
from admin_portal.board.traffic import Traffic
from admin_portal.board.waiting import Waiting
from monitoring.health import Check, Status
from monitoring.remarks import Remark
from notify.depths import LaneDepth

MOVING = {name: Pulse(2.0, "control@a") for name in ("judging", "lifeboat")}
WELL = {name: Check(Status.OK) for name in ("database", "redis", "broker", "migrations", "lanes")}


def provider(name: str = "sms-a", **values: Any) -> ProviderRow:
    defaults = {"state": "healthy", "reason": "", "weight": 100, "effective": 100, "traffic": Traffic()}
    return ProviderRow(pk=1, name=name, **{**defaults, **values})


def channel(name: str = "sms", **values: Any) -> ChannelRow:
    defaults = {
        "state": "normal",
        "reason": "",
        "lanes": (),
        "dead": Count(),
        "held": Count(),
        "providers": [provider()],
        "traffic": Traffic(),
        "is_used": True,
    }
    return ChannelRow(name=name, **{**defaults, **values})


def look(*channels: ChannelRow, **values: Any) -> list[Item]:
    defaults = {"checks": WELL, "pulses": MOVING, "waiting": Waiting()}
    return find(Scene(channels=channels, **{**defaults, **values}))


def test_when_all_is_well_there_is_nothing() -> None:
    assert look(channel()) == []


@pytest.mark.parametrize(
    ("row", "gravity", "words"),
    [
        (channel(state="paused", reason="nobody carries"), Gravity.ALARM, "sms is paused"),
        (channel(state="switched"), Gravity.WARNING, "switched"),
        (channel(state="shedding"), Gravity.WARNING, "bulk"),
        (channel(providers=[provider(state="open", effective=0), provider("sms-b")]), Gravity.WARNING, "cut off"),
        (channel(providers=[provider(state="degraded", effective=30)]), Gravity.WARNING, "30 instead of 100"),
        (channel(providers=[provider(state="recovering")]), Gravity.NOTE, "coming back"),
        (channel(lanes=[LaneDepth("sms.critical", 3, 16.0)]), Gravity.ALARM, "3 messages wait in sms.critical"),
        (channel(lanes=[LaneDepth("sms.normal", 1, 130.0)]), Gravity.WARNING, "1 message waits"),
        (channel(lanes=[LaneDepth("sms.bulk", 100_000, 4000.0, capped=True)]), Gravity.NOTE, "100,000+"),
        (channel(providers=[]), Gravity.NOTE, "no provider"),
        (channel(providers=[], lanes=[LaneDepth("sms.normal", 1, 1.0)]), Gravity.ALARM, "no provider"),
    ],
)
def test_a_channel_in_trouble_is_one_line(row: ChannelRow, gravity: Gravity, words: str) -> None:
    (item,) = look(row)
    assert item.gravity == gravity
    assert words in item.text
    assert item.anchor == "channel-sms"


@pytest.mark.parametrize(
    "lane",
    [LaneDepth("sms.critical", 3, 10.0), LaneDepth("sms.normal", 3, 100.0), LaneDepth("sms.bulk", 9, 3000.0)],
)
def test_what_waits_no_longer_than_it_may_is_no_line(lane: LaneDepth) -> None:
    assert look(channel(lanes=[lane])) == []


def test_a_channel_that_nobody_carries_is_an_alarm() -> None:
    items = look(channel(providers=[provider(state="open", effective=0)]))
    assert items[0].gravity == Gravity.ALARM
    assert "No provider of sms carries anything" in items[0].text


@pytest.mark.parametrize(
    ("name", "gravity"), [("database", Gravity.ALARM), ("redis", Gravity.WARNING), ("broker", Gravity.WARNING)]
)
def test_a_dependency_that_is_away_is_told(name: str, gravity: Gravity) -> None:
    silent = Check(Status.UNAVAILABLE, detail=Remark("no answer within %(seconds)s s", {"seconds": "1"}))
    (item,) = look(checks={**WELL, name: silent})
    assert (item.gravity, item.detail) == (gravity, "no answer within 1 s")
    with translation.override("zh-hans"):
        (item,) = look(checks={**WELL, name: silent})
    assert item.detail == "1 秒内没有应答"


@pytest.mark.parametrize(
    ("silent", "gravity"),
    [({"judging"}, Gravity.WARNING), ({"lifeboat"}, Gravity.WARNING), ({"judging", "lifeboat"}, Gravity.ALARM)],
)
@pytest.mark.parametrize("never_seen", [False, True])
def test_a_watchman_who_is_silent_is_told(silent: set[str], gravity: Gravity, never_seen: bool) -> None:
    old = Pulse(60.0, "a")
    pulses = {name: old if name in silent else pulse for name, pulse in MOVING.items()}
    if never_seen:
        pulses = {name: pulse for name, pulse in MOVING.items() if name not in silent}
    (item,) = look(pulses=pulses)
    assert item.gravity == gravity


def test_what_could_not_be_read_is_not_taken_for_well() -> None:
    (item,) = look(unread=True)
    assert "can't be read" in item.text


@pytest.mark.parametrize(
    ("waiting", "gravity", "link"),
    [
        (Waiting(approvals=2), Gravity.WARNING, "approvals"),
        (Waiting(reviews=1), Gravity.WARNING, "reviews"),
        (Waiting(reviews=1, reviews_late=True), Gravity.ALARM, "reviews"),
        (Waiting(runs=1), Gravity.WARNING, "awaited_runs"),
        (Waiting(run_reviews=1), Gravity.WARNING, "run_reviews"),
        (Waiting(run_reviews=1, run_reviews_late=True), Gravity.ALARM, "run_reviews"),
        (Waiting(proposals=["sms slow: p95 over 5 s"]), Gravity.WARNING, "plans"),
        (Waiting(overdue_plans=3), Gravity.NOTE, "plans"),
        (Waiting(drill="sms-a fails: something goes wrong"), Gravity.NOTE, "drill_runs"),
    ],
)
def test_what_waits_for_me_is_told(waiting: Waiting, gravity: Gravity, link: str) -> None:
    (item,) = look(waiting=waiting)
    assert (item.gravity, item.link) == (gravity, link)


def test_held_and_dead_letters_lead_to_the_desk() -> None:
    items = look(held=Count(2), dead=Count(10_000, capped=True))
    assert [(item.link, item.gravity) for item in items] == [("held", Gravity.WARNING), ("dead", Gravity.NOTE)]
    assert "10,000+ dead letters" in items[1].text


def test_the_worst_comes_first() -> None:
    items = look(
        channel("email", providers=[provider("email-a", state="recovering")]),
        channel("sms", state="paused"),
        dead=Count(1),
        checks={**WELL, "redis": Check(Status.UNAVAILABLE)},
    )
    assert [item.gravity for item in items] == sorted(item.gravity for item in items)
    assert items[0].text == "sms is paused"


# --- curves -----------------------------------------------------------------------------------------------------------


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, _comma, y in (point.partition(",") for point in line.split())]


def test_a_curve_stays_in_its_box() -> None:
    (line,) = Sparkline(values=[5, 1000, -3, 20], low=0, high=100).lines()
    for x, y in points(line):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


def test_a_curve_has_a_gap_where_nothing_is_known() -> None:
    assert len(Sparkline(values=[1, 2, None, 3, None, None]).lines()) == 2


def test_one_value_alone_is_seen() -> None:
    (line,) = Sparkline(values=[None, 1, None]).lines()
    assert len(points(line)) == 2


def test_a_curve_of_one_height_is_a_line() -> None:
    (line,) = Sparkline(values=[7, 7, 7]).lines()
    assert len({y for _x, y in points(line)}) == 1


def test_of_nothing_there_is_no_curve() -> None:
    assert Sparkline(values=[None, None]).is_empty
    assert Sparkline(values=[]).lines() == []
