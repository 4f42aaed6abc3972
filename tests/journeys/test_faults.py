"""Nothing accepted is lost: a live stack, a load on it, and one fault at a time.

Small by default; ``GOUTONG_SCALE=10`` makes the batch and the outages ten times as large.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
import redis

from tests.conftest import WaitFor
from tests.journeys.client import TERMINAL, Company, Load
from tests.stack.live import LiveStack

SCALE = float(os.environ.get("GOUTONG_SCALE", "1"))
RECIPIENTS = int(2000 * SCALE)
OUTAGE_S = 3 * SCALE
SMS: dict[str, Any] = {"to": {"phone": "+8613800001234"}, "channels": ["sms"], "content": {"text": "Hello"}}

pytestmark = [pytest.mark.xdist_group("live_stack"), pytest.mark.timeout(int(240 + 60 * SCALE))]


def people(count: int) -> list[dict[str, Any]]:
    return [{"to": {"phone": f"+86138{number:08d}"}} for number in range(count)]


def make_company(live: LiveStack, *, hold: bool = False, **sandbox: Any) -> tuple[Company, str]:
    """An application, and the only SMS provider there is in this test: a sandbox that keeps a journal."""
    name = f"c{uuid4().hex[:8]}"
    config = {"latency_ms": 4, "journal": True, **sandbox}
    company = Company(
        live,
        name,
        configuration={
            "channels": [{"name": "sms", "outcome_unknown": "hold" if hold else "resend"}],
            "providers": [{"name": f"sms-{name}", "channel": "sms", "adapter": "sandbox", "config": config}],
        },
    )
    return company, f"sms-{name}"


def _lifeboat_is_on_watch(live: LiveStack) -> bool:
    with (
        contextlib.closing(psycopg2.connect(live.addresses()["database_url"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT seen_at > now() - interval '3 s' FROM notify_lanepulse WHERE lane = 'lifeboat'")
        row = cursor.fetchone()
        return row is not None and bool(row[0])


def wait_until_delivered(company: Company, provider: str, load: Load, wait_for: WaitFor, *, timeout: float) -> None:
    """Until the provider has taken all that was accepted; else the failure tells what became of the rest."""

    def missing() -> set[str]:
        return set(load.accepted) - set(company.journal(provider))

    try:
        wait_for(lambda: not missing(), timeout=timeout, message="all of it is delivered")
    except pytest.fail.Exception as failure:
        with (
            contextlib.closing(psycopg2.connect(company.live.addresses()["database_url"])) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT row_to_json(d)::text, clock_timestamp()::text,"
                " (SELECT json_agg(e) FROM notify_event e WHERE e.delivery_id = d.id)::text"
                " FROM notify_delivery d WHERE id = ANY (%s::uuid[]) LIMIT 5",
                [list(missing())],
            )
            pytest.fail(f"{failure}; of {len(missing())} missing: {cursor.fetchall()}")


@pytest.fixture
def sms(live_stack: LiveStack, wait_for: WaitFor) -> Any:
    made: list[str] = []
    wait_for(lambda: _lifeboat_is_on_watch(live_stack), timeout=60, message="the lifeboat is on watch")

    def make(**options: Any) -> tuple[Company, str]:
        company, provider = make_company(live_stack, **options)
        made.append(provider)
        return company, provider

    yield make
    for provider in made:
        live_stack.manage(
            "shell", "-c", f"from channels.models import Provider; Provider.objects.filter(name='{provider}').delete()"
        )


def complete(company: Company, batch_id: str) -> bool:
    return bool(company.get(f"batches/{batch_id}")["complete"])


@pytest.mark.parametrize("hold", [False, True], ids=["resend", "hold"])
def test_a_killed_worker_loses_nothing(live_stack: LiveStack, wait_for: WaitFor, sms: Any, hold: bool) -> None:
    company, provider = sms(hold=hold)
    batch_id = company.send_batch({"channels": ["sms"], "content": {"text": "Hi"}}, people(RECIPIENTS))
    wait_for(lambda: len(company.journal(provider)) > RECIPIENTS * random.uniform(0.2, 0.5), timeout=60)
    in_flight = company.get(f"batches/{batch_id}")["counts"]["sending"]
    os.kill(live_stack.pids("sms")[0], signal.SIGKILL)
    wait_for(lambda: complete(company, batch_id), timeout=120 + 30 * SCALE, message="every delivery is terminal")
    counts = company.get(f"batches/{batch_id}")["counts"]
    books = company.reconcile()
    taken = company.journal(provider)
    duplicates = sum(count - 1 for count in taken.values())
    print(f"\nkill -9, hold={hold}: {counts=} duplicates={duplicates} in flight about {in_flight} {books=}")
    assert books["unaccounted"] == 0
    assert sum(counts[state] for state in TERMINAL) == RECIPIENTS
    if hold:
        assert duplicates == 0
        assert counts["sent"] + counts["held"] == RECIPIENTS
        assert counts["held"] <= 500
    else:
        assert counts["sent"] == RECIPIENTS
        assert duplicates <= 500
        assert len(taken) == RECIPIENTS


def test_without_valkey_everything_goes_on(live_stack: LiveStack, wait_for: WaitFor, sms: Any) -> None:
    company, provider = sms()
    with Load(company, SMS) as load:
        wait_for(lambda: len(company.journal(provider)) > 20, timeout=60)
        live_stack.ctl("stop", "valkey")
        stopped = time.monotonic()
        before = len(company.journal(provider))
        wait_for(lambda: len(company.journal(provider)) > before + 20, timeout=20, message="the lifeboat delivers")
        first = time.monotonic() - stopped
        wait_for(lambda: time.monotonic() - stopped > max(OUTAGE_S, 5), timeout=OUTAGE_S + 10)
        live_stack.ctl("start", "valkey")
        returned = time.monotonic()
        wait_for(lambda: live_stack.state("valkey").state == "RUNNING", timeout=20)
        workers_back = _wait_for_workers(live_stack, company, wait_for)
        wait_for(lambda: time.monotonic() - returned > 3, timeout=5)
    wait_until_delivered(company, provider, load, wait_for, timeout=60)
    during = load.between(stopped, returned)
    slowest = statistics.quantiles([took for _status, took in during], n=100)[98]
    print(
        f"\nvalkey away: {len(during)} requests, p99 {slowest * 1000:.0f} ms, lifeboat after {first:.1f} s, "
        f"workers back after {workers_back:.1f} s"
    )
    assert {status for status, _took in load.between(0, float("inf"))} == {202}
    assert company.reconcile()["unaccounted"] == 0


def _wait_for_workers(live: LiveStack, company: Company, wait_for: WaitFor) -> float:
    """Until the sms worker itself, and not the lifeboat, has sent something again."""
    began = time.monotonic()

    def sent_by_worker() -> bool:
        accepted = company.send(**SMS)
        wait_for(lambda: company.status(accepted) == "sent", timeout=20)
        events = company.get(f"notifications/{accepted['id']}/timeline")["events"]
        return any((event["actor"] or "").startswith("sms@") for event in events)

    wait_for(sent_by_worker, timeout=60, message="the worker consumes again")
    return time.monotonic() - began


def test_a_wiped_valkey_loses_nothing(live_stack: LiveStack, wait_for: WaitFor, sms: Any) -> None:
    company, provider = sms()
    batch_id = company.send_batch({"channels": ["sms"], "content": {"text": "Hi"}}, people(RECIPIENTS))
    wait_for(lambda: len(company.journal(provider)) > RECIPIENTS // 4, timeout=60)
    with redis.Redis.from_url(live_stack.addresses()["redis_url"]) as client:
        client.flushall()
    wait_for(lambda: complete(company, batch_id), timeout=60 + 30 * SCALE)
    counts = company.get(f"batches/{batch_id}")["counts"]
    assert counts["sent"] == RECIPIENTS
    assert max(company.journal(provider).values()) == 1
    assert company.reconcile()["unaccounted"] == 0
    _wait_for_workers(live_stack, company, wait_for)


def test_a_postgresql_that_stops_and_starts_loses_nothing(live_stack: LiveStack, wait_for: WaitFor, sms: Any) -> None:
    company, provider = sms()
    with Load(company, SMS) as load:
        wait_for(lambda: len(load.accepted) > 20, timeout=20)
        live_stack.ctl("stop", "postgres")
        stopped = time.monotonic()
        wait_for(lambda: time.monotonic() - stopped > OUTAGE_S, timeout=OUTAGE_S + 10)
        live_stack.ctl("start", "postgres")
        started = time.monotonic()
        before = len(load.accepted)
        wait_for(lambda: len(load.accepted) > before + 20, timeout=60, message="accepts again")
        accepts_again = time.monotonic() - started
    wait_until_delivered(company, provider, load, wait_for, timeout=90)
    statuses = [status for status, _took in load.between(0, float("inf"))]
    print(f"\npostgres away: {statuses.count(503)} x 503, accepts again after {accepts_again:.1f} s")
    assert set(statuses) == {202, 503}
    assert load.retry_after_missing == 0
    assert max(company.journal(provider).values()) == 1
    wait_for(lambda: company.reconcile()["in_flight"] == {}, timeout=90)
    assert company.reconcile()["unaccounted"] == 0
