"""The board does not grow with the platform: as many queries, whatever the tables hold, and none that reads them.

Small by default. ``GOUTONG_BOARD=full`` fills in 100 providers, a million notifications and 100,000 dead letters, which
takes a few minutes, and prints how long the server took.
"""

from __future__ import annotations

import os
import statistics
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from admin_portal.board import queries
from channels.histogram import Histogram
from channels.models import Provider, ProviderMinute
from channels.names import CHANNELS
from notify import partitions
from tests import factories
from tests.admin_portal.conftest import SignIn

FULL = os.environ.get("GOUTONG_BOARD") == "full"
PROVIDERS = 100
NOTIFICATIONS = 1_000_000 if FULL else 2_000
DEAD_LETTERS = 100_000 if FULL else 500
HELD = 20_000 if FULL else 200
#: Statements of one look, those of signing in, of rights and of time limits included.
MOST_QUERIES = 50

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1200 if FULL else 120)]


def fill() -> None:
    """A platform with much in it: an hour's minutes of each provider, half of the messages waiting."""
    application = factories.make_application()
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    providers = [
        Provider(name=f"p-{number:03d}", channel=CHANNELS[number % len(CHANNELS)], adapter="sandbox", weight=10)
        for number in range(PROVIDERS)
    ]
    Provider.objects.bulk_create(providers)
    histogram = Histogram()
    for number in range(500):
        histogram.add(20 + number * 3)
    packed = histogram.pack()
    ProviderMinute.objects.bulk_create(
        [
            ProviderMinute(
                provider=one.name,
                channel=one.channel,
                minute=minute - timedelta(minutes=ago),
                tries=500,
                successes=490,
                provider_faults=10,
                latency_ms=packed,
            )
            for one in providers
            for ago in range(60)
        ],
        batch_size=2000,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO notify_notification (id, application_id, locale, priority, category, route, channels, "to",'
            " params, metadata, ref, callback_url, is_test, request_id, expires_at, created_at)"
            " SELECT uuidv7(), %s, '', 'bulk', '', 'all', '{sms}', '{}', '{}', '{}', '', '', false, '',"
            " now() + interval '1 day', now() FROM generate_series(1, %s)",
            [application.pk, NOTIFICATIONS],
        )
        cursor.execute(
            "INSERT INTO notify_delivery (id, notification_id, application_id, kind, channel, lane, step, address,"
            " is_test, status, due_at, deadline, attempts, waits, replays, cancel_requested, provider,"
            " provider_message_id, error_code, error_detail, created_at, finished_at)"
            " SELECT uuidv7(), n.id, n.application_id, 0, c.name, c.name || '.bulk', 0, '+86138', false,"
            " CASE WHEN n.number <= %s THEN 'held' WHEN n.number <= %s THEN 'dead'"
            " WHEN n.number %% 2 = 0 THEN 'sent' ELSE 'queued' END, now(),"
            " now() + interval '1 day', 1, 0, 0, false, 'p-001', '', '', '', now(), now()"
            " FROM (SELECT id, application_id, row_number() OVER () AS number FROM notify_notification) n,"
            " LATERAL (SELECT (%s::text[])[1 + n.number %% %s] AS name) c",
            [HELD, HELD + DEAD_LETTERS, list(CHANNELS), len(CHANNELS)],
        )
        cursor.execute(
            "INSERT INTO notify_deadletter (id, delivery_id, notification_id, application_id, channel, lane, provider,"
            " reason, detail, attempts, state, created_at, resolved_by)"
            " SELECT uuidv7(), id, notification_id, application_id, channel, lane, provider, 'attempts_used_up', '', 8,"
            " 'open', now(), '' FROM notify_delivery WHERE status = 'dead'"
        )
        if FULL:
            cursor.execute("VACUUM ANALYZE")
    partitions.forget_live_window()


def look(client: Client, path: str) -> tuple[int, float]:
    """So many queries, and so many seconds."""
    queries.forget()
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    took = time.perf_counter() - began
    assert answer.status_code == 200
    return len(captured), took


@pytest.mark.parametrize("name", ["board", "admin:index"])
def test_a_full_platform_takes_as_many_queries_as_an_empty_one(sign_in: SignIn, name: str) -> None:
    client = sign_in(superuser=True)
    path = reverse(name)
    look(client, path)  # the first looks up content types
    empty, _took = look(client, path)
    fill()
    look(client, path)
    full, _took = look(client, path)
    assert full <= empty + 2  # savepoints apart, a full lane is asked for in as many statements
    assert full <= MOST_QUERIES
    times = [look(client, path)[1] for _ in range(10)]
    print(
        f"\n{name}: {full} queries, median {statistics.median(times) * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms"
        f" with {PROVIDERS} providers, {NOTIFICATIONS:,} notifications, {DEAD_LETTERS:,} dead letters"
    )
    if FULL:
        assert statistics.median(times) < 0.3


def test_no_query_of_the_board_reads_a_large_table_without_a_limit(sign_in: SignIn) -> None:
    client = sign_in(superuser=True)
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("board"))
    large = ("notify_notification", "notify_delivery", "notify_attempt", "notify_event", "notify_deadletter")
    for query in captured:
        if any(f'"{table}"' in query["sql"] or f" {table} " in query["sql"] for table in large):
            assert "LIMIT" in query["sql"], query["sql"]
