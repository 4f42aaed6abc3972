"""Minutes in the table: written once however often and by however many."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from django.test import override_settings

from channels.errors import Unavailable
from channels.histogram import Histogram
from channels.models import ProviderMinute
from channels.quality import rollups
from tests.channels.quality_results import Process, result

pytestmark = [pytest.mark.usefixtures("redis_apart"), pytest.mark.django_db]


def roll_up(process: Process) -> int:
    return rollups.roll_up(store=process.store, ledger=process.ledger, now=datetime.now(UTC))


def wipe() -> None:
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()


def in_minute(minutes_ago: int) -> float:
    """How many seconds ago the middle of that minute was."""
    now = time.time()
    return now - (now // 60 - minutes_ago) * 60 - 30


def test_a_minute_of_all_processes_becomes_a_row() -> None:
    for process in (Process(), Process()):
        process.tell(result(None, ms=20), result(Unavailable()), ago=in_minute(3))
    assert roll_up(Process()) == 1
    row = ProviderMinute.objects.get()
    assert (row.provider, row.channel, row.tries, row.successes, row.provider_faults) == ("a", "sms", 4, 2, 2)
    assert row.errors == {"unavailable": 2}
    assert row.minute == row.minute.replace(second=0, microsecond=0)
    assert Histogram.unpack(row.latency_ms).quantile(0.5) == pytest.approx(20, rel=0.05)


def test_each_provider_and_each_minute_has_its_own() -> None:
    process = Process()
    process.note(result(None, provider="a"), result(None, provider="b"), ago=in_minute(3))
    process.tell(result(None, provider="a"), ago=in_minute(2))
    roll_up(process)
    assert ProviderMinute.objects.count() == 3


def test_rolling_up_again_changes_nothing() -> None:
    process = Process()
    process.tell(result(None), ago=in_minute(3))
    roll_up(process)
    roll_up(process)
    assert ProviderMinute.objects.get().successes == 1


def test_what_comes_late_is_added() -> None:
    process = Process()
    process.tell(result(None), ago=in_minute(30))
    roll_up(process)
    process.tell(result(None), ago=in_minute(30))
    roll_up(process)
    assert ProviderMinute.objects.get().successes == 2


def test_a_receipt_belongs_to_the_minute_of_its_message() -> None:
    process = Process()
    process.tell(result(None, receipts=True), ago=in_minute(100))
    roll_up(process)
    process.ledger.note_receipt(provider="a", delay_s=in_minute(100), delivered=False, now=process.clock())
    process.publish()
    roll_up(process)
    row = ProviderMinute.objects.get()
    assert (row.receipts_due, row.receipts_come, row.receipts_failed) == (1, 1, 1)


def test_a_minute_that_was_forgotten_half_way_is_not_made_smaller() -> None:
    ended, living = Process(), Process()
    ended.tell(*[result(None)] * 5, ago=in_minute(2))
    roll_up(living)
    wipe()
    living.tell(result(None), ago=in_minute(2))
    roll_up(living)
    assert ProviderMinute.objects.get().successes == 5


def test_after_a_wipe_a_minute_goes_on_from_where_it_was() -> None:
    process = Process()
    process.tell(*[result(None)] * 5, ago=in_minute(2))
    wipe()
    process.tell(result(None), ago=in_minute(1))
    process.tell(result(None), ago=in_minute(2))
    roll_up(process)
    assert sorted(ProviderMinute.objects.values_list("successes", flat=True)) == [1, 6]


def test_without_redis_nothing_is_written_and_it_comes_later() -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        assert roll_up(Process()) == 0
    process = Process()
    process.tell(result(None), ago=in_minute(200))
    assert roll_up(process) == 1


def test_what_is_in_the_table_is_not_looked_at_again() -> None:
    process = Process()
    process.tell(result(None), ago=in_minute(2))
    roll_up(process)
    process.store.settle_minutes(server_now=time.time() + 60)
    assert roll_up(process) == 0


@pytest.mark.django_db(transaction=True)
def test_several_may_roll_up_at_once() -> None:
    process = Process()
    for ago in (2, 3, 4):
        process.note(*[result(None, provider=f"p{number}") for number in range(20)], ago=in_minute(ago))
    process.publish()

    def one(_number: int) -> int:
        try:
            return roll_up(Process())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [60] * 8
    assert ProviderMinute.objects.count() == 60


def test_minutes_past_keeping_are_removed() -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for age in (399, 401, 500):
        ProviderMinute.objects.create(provider="a", minute=now - timedelta(days=age))
    assert rollups.forget_past(now=now) == 2
    assert ProviderMinute.objects.get().minute == now - timedelta(days=399)
