"""How deep the lanes are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from channels.names import LANES
from notify import depths, partitions
from notify.queries import LaneDepth, lane_depths
from tests import factories
from tests.factories import make_application, make_delivery, make_notification

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_window() -> Iterator[None]:
    partitions.forget_live_window()
    yield
    partitions.forget_live_window()


def wait_in_lane(status: str = "queued", *, channel: str = "email", seconds: float, application: Any = None) -> None:
    """A delivery that was accepted, and is due, this many seconds ago (in the future when negative)."""
    at = factories.now() - timedelta(seconds=max(seconds, 0))
    one = make_notification(application or make_application(), at=at)
    make_delivery(one, status, channel=channel, due_at=factories.now() - timedelta(seconds=seconds))


def depth_of(lane: str) -> LaneDepth:
    (found,) = lane_depths(now=factories.now(), lanes=[lane])
    return found


def test_every_lane_is_told_the_empty_ones_too() -> None:
    assert lane_depths(now=factories.now()) == [LaneDepth(lane, 0, 0.0) for lane in LANES]


def test_what_is_due_is_counted_over_all_applications() -> None:
    application = make_application()
    for seconds in (5, 90, 10):
        wait_in_lane(seconds=seconds, application=application)
    wait_in_lane(seconds=30)
    wait_in_lane(seconds=1, channel="sms")
    found = depth_of("email.normal")
    assert (found.depth, found.capped) == (4, False)
    assert found.oldest_age_s == pytest.approx(90, abs=5)
    assert depth_of("sms.normal").depth == 1


def test_a_scheduled_delivery_whose_time_has_come_is_due() -> None:
    wait_in_lane("scheduled", seconds=2)
    assert depth_of("email.normal").depth == 1


@pytest.mark.parametrize("status", ["queued", "scheduled"])
def test_what_waits_for_a_later_time_is_not_depth(status: str) -> None:
    wait_in_lane(status, seconds=-60)
    assert depth_of("email.normal") == LaneDepth("email.normal", 0, 0.0)


@pytest.mark.parametrize("status", ["sending", "sent", "dead", "held", "cancelled"])
def test_what_is_not_waiting_is_not_depth(status: str) -> None:
    wait_in_lane(status, seconds=60)
    assert depth_of("email.normal").depth == 0


def test_what_waits_since_days_is_counted() -> None:
    wait_in_lane(seconds=12 * 86400)
    found = depth_of("email.normal")
    assert found.depth == 1
    assert found.oldest_age_s == pytest.approx(12 * 86400, abs=5)


def test_a_deep_lane_is_counted_up_to_the_cap_and_its_oldest_is_still_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MAX_DEPTH", 3)
    early, late = make_application(), make_application()
    for _number in range(4):
        wait_in_lane(seconds=10, application=early)
    wait_in_lane(seconds=500, application=late)
    found = depth_of("email.normal")
    assert (found.depth, found.capped) == (3, True)
    assert found.oldest_age_s == pytest.approx(500, abs=5)


def test_the_planner_is_left_as_it_was() -> None:
    with transaction.atomic():
        lane_depths(now=factories.now())
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_bitmapscan")
            assert cursor.fetchone() == ("on",)


def test_asking_for_no_lane_answers_none() -> None:
    assert lane_depths(now=factories.now(), lanes=[]) == []
