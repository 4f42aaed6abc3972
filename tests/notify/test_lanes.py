"""The lanes: what a claim takes, what a recording writes, and whose it is in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notify import lanes, partitions
from notify.ids import new_id
from notify.models import Attempt, DeadLetter, Delivery, Event, Notification
from notify.models.application import Tier
from notify.models.pulse import LanePulse
from notify.rows import AttemptRow, DeadLetterRow, DeliveryRow, EventRow, Outcome
from tests.factories import make_application
from tests.notify.lane_rows import claim, enter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_window() -> Iterator[None]:
    partitions.forget_live_window()
    yield
    partitions.forget_live_window()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [1, 3, 30])
def test_of_what_can_not_be_stored_whole_nothing_is(count: int) -> None:
    application = make_application()

    with pytest.raises(IntegrityError):
        enter(application, count=count, now=timezone.now(), status=None)

    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()


def test_what_enters_a_lane_is_stored_with_its_notification() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    delivery = Delivery.objects.get(pk=row.id)
    assert delivery.status == "queued"
    assert Notification.objects.get(pk=row.notification_id).to["phone"] == "+8613800001234"


def test_many_rows_go_in_by_copy_and_come_out_as_they_went_in() -> None:
    now = timezone.now()
    difficult = '{"text": "tab\\t newline\\n backslash \\\\ quote \\" 中文 \\\\N"}'
    rows = enter(make_application(), count=50, now=now, content=difficult)
    found = Notification.objects.get(pk=rows[0].notification_id)
    assert found.content == {"text": 'tab\t newline\n backslash \\ quote " 中文 \\N'}
    assert found.channels == ["sms"]
    assert Delivery.objects.filter(pk__in=[row.id for row in rows]).count() == 50


def test_a_claim_takes_what_is_due_under_a_lease() -> None:
    now = timezone.now()
    rows = enter(make_application(), count=3, now=now)
    lease = uuid4()
    claimed = claim("sms.bulk", now=now, lease=lease)
    assert {one.id for one in claimed} == {row.id for row in rows}
    delivery = Delivery.objects.get(pk=rows[0].id)
    assert (delivery.status, delivery.lease) == ("sending", lease)
    assert delivery.lease_until is not None
    assert delivery.lease_until > now


def test_a_claim_leaves_what_is_not_due_yet_and_other_lanes_alone() -> None:
    now = timezone.now()
    application = make_application()
    enter(application, now=now, due_in_s=60)
    enter(application, now=now, priority="critical")
    assert claim("sms.bulk", now=now) == []


def test_a_scheduled_delivery_is_claimed_when_its_time_has_come() -> None:
    now = timezone.now()
    enter(make_application(), now=now, due_in_s=60, status="scheduled")
    assert claim("sms.bulk", now=now) == []
    assert len(claim("sms.bulk", now=now + timedelta(seconds=61))) == 1


def test_a_worker_whose_clock_is_ahead_sends_nothing_that_is_not_due() -> None:
    now = timezone.now()
    enter(make_application(), now=now, due_in_s=30)
    assert lanes.claim(lane="sms.bulk", limit=10, lease=uuid4(), now=now + timedelta(minutes=1)) == []


def test_one_application_s_backlog_does_not_keep_another_out_of_a_claim() -> None:
    now = timezone.now()
    big, small = make_application(), make_application()
    enter(big, count=600, now=now - timedelta(minutes=5))
    enter(small, now=now)
    taken = Counter(one.application_id for one in claim("sms.bulk", limit=100, now=now))
    assert taken[small.pk] == 1
    assert taken[big.pk] >= 50


def test_a_vip_gets_a_larger_share_and_a_share_of_its_own_wins_over_the_tier() -> None:
    now = timezone.now()
    vip, standard, bought = make_application(tier=Tier.VIP), make_application(), make_application(share=15)
    for application in (vip, standard, bought):
        enter(application, count=200, now=now)
    taken = Counter(one.application_id for one in claim("sms.bulk", limit=100, now=now))
    assert taken == {vip.pk: 20, standard.pk: 5, bought.pk: 75}


def test_an_application_that_waits_for_later_takes_no_share_of_now() -> None:
    now = timezone.now()
    later, due = make_application(tier=Tier.VIP), make_application()
    enter(later, count=10, now=now, due_in_s=600)
    enter(due, count=50, now=now)
    assert len(claim("sms.bulk", limit=50, now=now)) == 50


def test_what_one_application_leaves_of_its_portion_goes_to_those_that_have_more() -> None:
    now = timezone.now()
    vip, big, other = make_application(tier=Tier.VIP), make_application(), make_application(share=3)
    enter(vip, now=now)
    enter(big, count=200, now=now)
    enter(other, count=200, now=now)
    taken = Counter(one.application_id for one in claim("sms.bulk", limit=100, now=now))
    assert sum(taken.values()) == 100
    assert taken[vip.pk] == 1
    assert taken[other.pk] > 2 * taken[big.pk] > 0


def test_recording_finds_its_rows_by_their_keys_and_not_among_all_that_is_being_sent() -> None:
    now = timezone.now()
    rows = enter(make_application(), count=3, now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    with CaptureQueriesContext(connection) as captured:
        lanes.renew(ids=[row.id for row in rows], lease=lease)
        lanes.record(
            outcomes=[Outcome(id=row.id, status="sent", finished_at=now) for row in rows], lease=lease, now=now
        )
        lanes.release(ids=[row.id for row in rows], lease=lease, now=now)
    updates = [query["sql"] for query in captured if "UPDATE notify_delivery" in query["sql"]]
    assert len(updates) == 3
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in updates:
            cursor.execute(f"EXPLAIN {sql}")
            assert "lease_until_idx" not in "".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_two_claims_at_once_never_take_the_same_delivery() -> None:
    now = timezone.now()
    application = make_application()
    enter(application, count=400, now=now)

    def take(_: int) -> list[UUID]:
        try:
            return [one.id for one in claim("sms.bulk", limit=50, now=now)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = [identifier for ids in pool.map(take, range(8)) for identifier in ids]
    assert len(taken) == len(set(taken)) == 400


def test_recording_writes_the_state_and_all_of_its_history_at_once() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    outcome = Outcome(
        id=row.id,
        status="dead",
        used=1,
        provider="sms-a",
        error_code="attempts_used_up",
        error_detail="HTTP 503",
        finished_at=now,
        attempts=(
            AttemptRow(
                new_id(),
                row.id,
                row.notification_id,
                1,
                "sms",
                "sms-a",
                "unavailable",
                "HTTP 503",
                "",
                "",
                "w",
                now,
                now,
                3.0,
                None,
            ),
        ),
        events=(EventRow(new_id(), row.notification_id, row.id, "buried"),),
        dead_letter=DeadLetterRow(
            new_id(),
            row.id,
            row.notification_id,
            row.application_id,
            "sms",
            "sms.bulk",
            "sms-a",
            "attempts_used_up",
            "",
            1,
            "open",
            now,
        ),
    )
    assert lanes.record(outcomes=[outcome], lease=lease, now=now) == {row.id}
    delivery = Delivery.objects.get(pk=row.id)
    assert (delivery.status, delivery.attempts, delivery.provider, delivery.lease) == ("dead", 1, "sms-a", None)
    assert Attempt.objects.get(delivery_id=row.id).outcome == "unavailable"
    assert Event.objects.get(delivery_id=row.id).type == "buried"
    assert DeadLetter.objects.get(delivery_id=row.id).state == "open"


def test_a_lease_that_passed_to_somebody_else_can_not_be_recorded_under() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    stale = uuid4()
    claim("sms.bulk", now=now, lease=stale)
    Delivery.objects.filter(pk=row.id).update(lease=uuid4())
    event = EventRow(new_id(), row.notification_id, row.id, "buried")
    assert lanes.record(outcomes=[Outcome(id=row.id, status="sent", events=(event,))], lease=stale, now=now) == set()
    assert Delivery.objects.get(pk=row.id).status == "sending"
    assert not Event.objects.exists()


def test_what_is_released_is_due_again_and_nothing_is_counted() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    assert lanes.release(ids=[row.id], lease=lease, now=now) == 1
    (again,) = claim("sms.bulk", now=now)
    assert (again.id, again.attempts, again.waits) == (row.id, 0, 0)


def test_due_lanes_names_the_lane_that_waits_longest_first() -> None:
    now = timezone.now()
    application = make_application()
    enter(application, now=now, channel="email", due_in_s=-5)
    enter(application, now=now, channel="sms", due_in_s=-50)
    enter(application, now=now, channel="push", due_in_s=50)
    lanes.feel_pulse(lane="sms.bulk", worker="w")
    found = lanes.due_lanes(now=now)
    assert [lane.lane for lane in found] == ["sms.bulk", "email.bulk"]
    assert found[0].seen_at is not None
    assert found[1].seen_at is None


def test_a_pulse_is_dated_by_the_database_whatever_the_clock_of_who_felt_it() -> None:
    now = timezone.now()
    enter(make_application(), now=now, due_in_s=-1)
    LanePulse.objects.create(lane="sms.bulk", seen_at=now + timedelta(hours=1), worker="ahead")
    lanes.feel_pulse(lane="sms.bulk", worker="w")
    assert not lanes.moved_within(lane="sms.bulk", seconds=-60)
    assert lanes.moved_within(lane="sms.bulk", seconds=60)


def test_when_a_lane_was_seen_moving_is_told_by_the_clock_of_who_asks() -> None:
    behind = timezone.now() - timedelta(minutes=30)
    enter(make_application(), now=behind, due_in_s=-1)
    lanes.feel_pulse(lane="sms.bulk", worker="w")
    seen_at = lanes.due_lanes(now=behind)[0].seen_at
    assert seen_at is not None
    assert abs(seen_at - behind) < timedelta(minutes=1)


def test_cancelling_takes_only_what_is_not_handed_over_and_says_who_did_it() -> None:
    now = timezone.now()
    application = make_application()
    waiting, sending = enter(application, count=2, now=now)
    Delivery.objects.filter(pk=sending.id).update(status="sending")
    ids = [waiting.notification_id, sending.notification_id]
    assert lanes.cancel(notification_ids=ids, actor="key abc", now=now) == 2
    assert Delivery.objects.get(pk=waiting.id).status == "cancelled"
    assert Delivery.objects.get(pk=sending.id).status == "sending"
    assert {event.actor for event in Event.objects.all()} == {"key abc"}


def attempt_of(row: DeliveryRow, now: datetime) -> AttemptRow:
    own = (
        new_id(),
        row.id,
        row.notification_id,
        1,
        "sms",
        "sms-a",
        "unavailable",
        "",
        "",
        "",
        "w",
        now,
        now,
        3.0,
        None,
    )
    return AttemptRow(*own)


def test_what_was_cancelled_while_it_was_being_sent_is_not_tried_again() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    lanes.cancel(notification_ids=[row.notification_id], actor="li", now=now)
    retry = Outcome(id=row.id, status="queued", due_at=now, used=1, attempts=(attempt_of(row, now),))
    lanes.record(outcomes=[retry], lease=lease, now=now)
    assert Delivery.objects.get(pk=row.id).status == "cancelled"
    assert Event.objects.get(delivery_id=row.id).type == "cancelled"


def test_what_was_cancelled_while_it_was_being_sent_goes_to_no_other_channel() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    lanes.cancel(notification_ids=[row.notification_id], actor="li", now=now)
    following = row._replace(id=new_id(), channel="email", lane="email.bulk", step=1)
    failed = Outcome(id=row.id, status="failed", finished_at=now, attempts=(attempt_of(row, now),), next_step=following)
    lanes.record(outcomes=[failed], lease=lease, now=now)
    assert Delivery.objects.filter(notification_id=row.notification_id).count() == 1


def test_what_was_sent_all_the_same_is_sent() -> None:
    now = timezone.now()
    (row,) = enter(make_application(), now=now)
    lease = uuid4()
    claim("sms.bulk", now=now, lease=lease)
    lanes.cancel(notification_ids=[row.notification_id], actor="li", now=now)
    lanes.record(outcomes=[Outcome(id=row.id, status="sent", finished_at=now)], lease=lease, now=now)
    assert Delivery.objects.get(pk=row.id).status == "sent"


def test_an_old_delivery_that_is_still_alive_is_found_whatever_its_age() -> None:
    now = timezone.now()
    application = make_application()
    (row,) = enter(application, now=now)
    in_ten_days = now + timedelta(days=10)
    assert [one.id for one in claim("sms.bulk", now=in_ten_days)] == [row.id]
