"""How deep the lanes are against their limits: measured once for all, read by everybody, and never in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels.names import LANES
from notify import partitions, saturation, signals
from notify.errors import LaneSaturated
from notify.models import Delivery, LaneLoad
from notify.orders import Order
from notify.shaving import Limits, State
from tests.conftest import WaitFor
from tests.factories import make_application
from tests.notify.lane_rows import enter

pytestmark = pytest.mark.django_db
LANE = "sms.bulk"


@pytest.fixture(autouse=True)
def _fresh(settings: Any) -> Iterator[None]:
    settings.LANES = {**settings.LANES, "LIMITS": {LANE: (4, 8)}}
    saturation.forget()
    partitions.forget_live_window()
    yield
    saturation.forget()
    partitions.forget_live_window()


def order(priority: str = "bulk", *channels: str, **values: Any) -> Order:
    return Order(**{"channels": channels or ("sms",), "route": "all", "priority": priority, **values})


def store(depth: int, *, lane: str = LANE, age_s: float = 0.0, per_second: float | None = None) -> None:
    """What a measuring left behind so many seconds ago, which may be repeated now."""
    at = timezone.now() - timedelta(seconds=age_s)
    LaneLoad.objects.update_or_create(
        lane=lane, defaults={"depth": depth, "per_second": per_second, "measured_at": at, "again_at": at}
    )
    saturation.forget()


def admit(one: Order) -> None:
    saturation.admit(one, now=timezone.now())


def is_refused(one: Order) -> bool:
    try:
        admit(one)
    except LaneSaturated:
        return True
    return False


# --- measuring --------------------------------------------------------------------------------------------------------


def test_what_is_due_is_measured_over_all_applications() -> None:
    for _application in range(2):
        enter(make_application(), count=2, now=timezone.now())
    assert saturation.measure(idle=False)
    assert saturation.loads()[LANE].depth == 4
    assert saturation.loads()[LANE].state is State.SLOWED


def test_what_waits_for_a_later_time_is_not_measured() -> None:
    enter(make_application(), count=3, now=timezone.now(), due_in_s=60)
    saturation.measure(idle=False)
    assert saturation.loads() == {}


def test_a_lane_is_counted_to_twice_its_hard_limit_and_no_further() -> None:
    enter(make_application(), count=20, now=timezone.now())
    saturation.measure(idle=False)
    row = LaneLoad.objects.get(lane=LANE)
    assert (row.depth, row.capped) == (17, True)


def test_a_lane_without_limits_is_not_measured() -> None:
    enter(make_application(), count=15, now=timezone.now(), priority="critical")
    saturation.measure(idle=False)
    assert LaneLoad.objects.count() == 0


def test_a_lane_that_is_empty_again_is_said_to_be() -> None:
    store(7)
    saturation.measure(idle=False)
    assert LaneLoad.objects.get(lane=LANE).depth == 0
    assert saturation.loads() == {}


def test_the_rate_is_of_those_that_waited_already() -> None:
    application = make_application()
    rows = enter(application, count=6, now=timezone.now() - timedelta(seconds=30))
    store(6, age_s=2)
    Delivery.objects.filter(id__in=[row.id for row in rows[:4]]).update(status="sent")
    enter(application, count=5, now=timezone.now())
    saturation.measure(idle=False)
    row = LaneLoad.objects.get(lane=LANE)
    assert row.depth == 7
    assert row.per_second == pytest.approx(2.0, rel=0.2)


def test_a_lane_whose_depth_was_not_known_keeps_its_rate() -> None:
    enter(make_application(), count=3, now=timezone.now() - timedelta(seconds=30))
    store(11, age_s=2, per_second=5.0)
    LaneLoad.objects.update(capped=True)
    saturation.measure(idle=False)
    assert LaneLoad.objects.get(lane=LANE).per_second == 5.0


def test_it_is_not_measured_again_before_its_time() -> None:
    enter(make_application(), now=timezone.now())
    assert saturation.measure(idle=False)
    assert not saturation.measure(idle=False)
    saturation.forget()  # as another process, that knows nothing yet
    assert not saturation.measure(idle=False)


def test_a_time_that_no_pause_explains_does_not_count() -> None:
    store(5)
    LaneLoad.objects.update(again_at=timezone.now() + timedelta(hours=1))
    assert saturation.measure(idle=False)


def test_an_idle_system_is_not_asked(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    saturation.measure(idle=True)
    saturation._Turn.at = float("-inf")
    with django_assert_num_queries(0):
        assert not saturation.measure(idle=True)


def test_a_lane_that_was_deep_is_looked_at_once_more_when_nothing_is_due() -> None:
    enter(make_application(), count=5, now=timezone.now())
    saturation.measure(idle=False)
    Delivery.objects.update(status="sent")
    LaneLoad.objects.update(again_at=timezone.now())
    saturation._Turn.at = float("-inf")
    assert saturation.measure(idle=True)
    assert LaneLoad.objects.get(lane=LANE).depth == 0


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_measures(wait_for: WaitFor) -> None:
    enter(make_application(), count=3, now=timezone.now())

    def measure(_number: int) -> bool:
        try:
            return saturation.measure(idle=False)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        measured = list(pool.map(measure, range(6)))
    assert measured.count(True) == 1
    assert LaneLoad.objects.get(lane=LANE).depth == 3


@pytest.mark.django_db(transaction=True)
def test_counting_that_takes_too_long_is_given_up_and_what_was_known_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saturation, "_COUNTING_S", 0.2)
    store(5)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE notify_delivery IN ACCESS EXCLUSIVE MODE")
            held.set()
            done.wait(30)
            cursor.execute("ROLLBACK")
        connection.close()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    try:
        assert held.wait(10)
        assert not saturation.measure(idle=False)
    finally:
        done.set()
        holder.join()
    assert saturation.loads()[LANE].depth == 5


# --- limits -----------------------------------------------------------------------------------------------------------


def test_limits_are_the_lane_s_or_its_priority_s_or_the_default(settings: Any) -> None:
    settings.LANES = {**settings.LANES, "LIMITS": {"sms.bulk": (1, 2), "bulk": (3, 4)}}
    assert saturation.limits_of("sms.bulk") == Limits(1, 2)
    assert saturation.limits_of("email.bulk") == Limits(3, 4)
    assert saturation.limits_of("email.normal") == Limits(1_000_000, 2_000_000)


def test_critical_has_no_limits() -> None:
    assert set(LANES) - set(saturation.all_limits()) == {lane for lane in LANES if lane.endswith(".critical")}


# --- judging ----------------------------------------------------------------------------------------------------------


def test_below_the_soft_limit_everything_passes() -> None:
    store(3)
    assert not any(is_refused(order()) for _ in range(50))


def test_between_the_limits_some_pass() -> None:
    store(6)
    assert {is_refused(order()) for _ in range(200)} == {True, False}


def test_at_the_hard_limit_nothing_passes_and_is_told_why_and_until_when() -> None:
    store(9, per_second=0.5)
    with pytest.raises(LaneSaturated) as caught:
        admit(order())
    assert caught.value.detail == "9 messages wait in the lane sms.bulk; its hard limit is 8. Nothing was stored."
    assert caught.value.retry_after is not None
    assert 10 <= caught.value.retry_after <= 15
    assert caught.value.headers["RateLimit"].startswith('"sms.bulk";r=0;t=1')


def test_what_is_critical_passes_whatever_the_lanes_hold() -> None:
    for lane in LANES:
        store(50_000_000, lane=lane)
    assert not any(is_refused(order("critical", channel.partition(".")[0])) for channel in LANES)


def test_another_lane_s_depth_is_no_concern() -> None:
    store(9)
    assert not is_refused(order("bulk", "email"))
    assert not is_refused(order("normal", "sms"))


def test_of_route_all_every_lane_counts_and_of_route_first_the_first() -> None:
    store(9)
    assert is_refused(order("bulk", "email", "sms"))
    assert not is_refused(order("bulk", "email", "sms", route="first"))
    assert is_refused(order("bulk", "sms", "email", route="first"))


@pytest.mark.parametrize(("in_s", "refused"), [(0, True), (200, True), (400, False)])
def test_what_is_scheduled_for_later_is_not_judged_by_now(in_s: float, refused: bool) -> None:
    store(9)
    assert is_refused(order(send_at=timezone.now() + timedelta(seconds=in_s))) is refused


def test_a_refusal_is_told_to_the_rooms_above() -> None:
    told: list[tuple[str, str]] = []

    def listen(lane: str, decision: str, **_signal: Any) -> None:
        told.append((lane, decision))

    signals.shaved.connect(listen)
    try:
        store(9)
        is_refused(order())
        store(7)
        while not is_refused(order()):
            pass
    finally:
        signals.shaved.disconnect(listen)
    assert told == [(LANE, "refused"), (LANE, "slowed")]


def test_what_this_process_put_in_counts_before_anybody_has_measured() -> None:
    assert not is_refused(order())
    saturation.note({LANE: 5, "email.bulk": 50})
    saturation.note({LANE: 5})
    assert is_refused(order())
    assert not is_refused(order("bulk", "email"))


def test_what_was_measured_is_not_counted_twice() -> None:
    enter(make_application(), count=3, now=timezone.now())
    saturation.note({LANE: 3})
    saturation._Cache.read_at = float("-inf")
    saturation.measure(idle=False)
    assert not any(is_refused(order()) for _ in range(50))
    saturation._intake.note({LANE: 6}, at=time.monotonic() + 1)
    assert is_refused(order())


def test_where_nobody_measures_because_nothing_is_due_what_was_put_in_is_soon_forgotten() -> None:
    at = time.monotonic()
    for age_s, unknown in [(100.0, False), (0.5, True)]:
        store(0, age_s=age_s)
        saturation._intake.note({LANE: 9}, at=at - saturation._UNSEEN_S - 0.1)
        saturation._intake.note({LANE: 9 if unknown else 1}, at=at)
        assert is_refused(order()) is unknown


# --- reading ----------------------------------------------------------------------------------------------------------


def test_what_was_measured_too_long_ago_refuses_nobody() -> None:
    store(9, age_s=saturation._BELIEVED_S + 1)
    assert not is_refused(order())


def test_the_table_is_read_once_for_many_requests(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    store(0)
    admit(order())
    saturation._Cache.read_at = float("inf")  # as if the second were never over
    with django_assert_num_queries(0):
        for _request in range(100):
            admit(order())


@pytest.mark.django_db(transaction=True)
def test_while_one_thread_waits_for_the_database_the_others_go_by_what_was_known(wait_for: WaitFor) -> None:
    store(9)
    assert is_refused(order())
    held, done = threading.Event(), threading.Event()
    verdicts: list[bool] = []

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE notify_laneload IN ACCESS EXCLUSIVE MODE")
            held.set()
            done.wait(30)
            cursor.execute("ROLLBACK")
        connection.close()

    def ask() -> None:
        try:
            verdicts.append(is_refused(order()))
        finally:
            connection.close()

    def is_waited_for() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'notify_laneload'::regclass")
            return cursor.fetchone() is not None

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(10)
    saturation._Cache.read_at = float("-inf")
    try:
        first = threading.Thread(target=ask, daemon=True)
        first.start()
        wait_for(is_waited_for)
        second = threading.Thread(target=ask, daemon=True)
        second.start()
        second.join(30)
        assert first.is_alive()
        assert verdicts == [True]
    finally:
        done.set()
        holder.join()
    first.join(30)
    assert verdicts == [True, True]


@pytest.mark.django_db(transaction=True)
def test_a_table_that_can_t_be_read_lets_what_was_known_stand_and_spares_the_transaction() -> None:
    from django.db import transaction

    store(9)
    assert is_refused(order())
    saturation._Cache.read_at = float("-inf")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notify_laneload RENAME TO notify_laneload_away")
    try:
        with transaction.atomic():
            assert is_refused(order())
            assert make_application().pk
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notify_laneload_away RENAME TO notify_laneload")
