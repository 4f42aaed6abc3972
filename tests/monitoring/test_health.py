"""``/healthz`` and ``/readyz`` against real servers: there, away, hung, and read-only."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import translation

from monitoring.health import Check, Report, Status, conclude, doctor
from monitoring.readings import judge, reader
from notify.queries import LaneDepth
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_eyes")]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def servers(settings: Any, valkey: str) -> None:
    settings.REDIS_URL = settings.BROKER_URL = valkey


@pytest.fixture
def database_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The settings that new connections are made from; ours keep theirs."""
    entry = connections.settings["default"]
    before = dict(entry)
    connection.ensure_connection()
    yield entry
    entry.clear()
    entry.update(before)


def readiness(client: Client) -> tuple[int, dict[str, Any]]:
    response = client.get("/readyz")
    return response.status_code, response.json()


def test_a_process_that_lives_says_so_without_asking_anybody(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert doctor._report is None


def test_a_process_with_all_it_needs_is_ready(client: Client) -> None:
    status, body = readiness(client)

    assert (status, body["status"]) == (200, "ok")
    assert set(body["checks"]) == {"database", "migrations", "redis", "broker", "lanes"}
    assert all(check["status"] == "ok" for check in body["checks"].values())
    assert body["checks"]["database"]["ms"] > 0


def test_probes_may_come_with_any_host(client: Client) -> None:
    assert client.get("/readyz", headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_without_redis_messages_are_still_accepted(client: Client, settings: Any) -> None:
    settings.REDIS_URL = settings.BROKER_URL = "redis://:pw-4711@127.0.0.1:1/0"

    response = client.get("/readyz")

    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "degraded"
    assert body["checks"]["redis"]["status"] == body["checks"]["broker"]["status"] == "unavailable"
    assert "4711" not in response.content.decode()


def test_a_broker_of_its_own_is_asked_by_itself(client: Client, settings: Any, tmp_path: Path) -> None:
    from config.celery import app

    before = app.conf.broker_url
    app.conf.broker_url = settings.BROKER_URL = "redis://127.0.0.1:1/0"
    try:
        _status, body = readiness(client)
    finally:
        app.conf.broker_url = before

    assert body["checks"]["redis"]["status"] == "ok"
    assert body["checks"]["broker"]["status"] == "unavailable"


def test_a_probe_gets_the_same_words_whatever_language_it_asks_in(client: Client, settings: Any) -> None:
    settings.REDIS_URL = settings.BROKER_URL = "redis://127.0.0.1:1/0"

    body = client.get("/readyz", headers={"Accept-Language": "zh-hans"}).json()

    assert body["checks"]["redis"]["detail"] == "does not answer (ConnectionError)"
    with translation.override("zh-hans"):
        assert doctor.report().checks["redis"].detail.told() == "不响应（ConnectionError）"


def test_without_the_database_nothing_can_be_accepted(client: Client, database_settings: dict[str, Any]) -> None:
    database_settings.update(HOST="127.0.0.1", PORT="1")

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response["Retry-After"]
    assert response.json()["status"] == "unavailable"
    assert "127.0.0.1" not in response.content.decode()


def test_a_database_that_hangs_costs_a_probe_a_second_and_no_more(
    client: Client, database_settings: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database_settings.update(HOST="127.0.0.1", PORT=str(silent.getsockname()[1]))
        database_settings["OPTIONS"] = {**database_settings["OPTIONS"], "connect_timeout": 30}

        started = time.monotonic()
        status, body = readiness(client)

        assert status == 503
        assert body["checks"]["database"]["detail"] == "no answer within 1 s"
        assert time.monotonic() - started < 10  # of 30 that the connection may take


def test_a_database_that_takes_no_writes_is_no_use(client: Client, database_settings: dict[str, Any]) -> None:
    options = database_settings["OPTIONS"]
    database_settings["OPTIONS"] = {**options, "options": f"{options['options']} -c default_transaction_read_only=on"}

    status, body = readiness(client)

    assert (status, body["checks"]["database"]["detail"]) == (503, "read-only")


def test_a_schema_that_lacks_a_migration_is_no_use_until_it_has_it(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    ((_app, last),) = MigrationLoader(connection).graph.leaf_nodes("notify")
    recorder.record_unapplied("notify", last)
    try:
        status, body = readiness(client)
        assert status == 503
        assert f"notify.{last}" in body["checks"]["migrations"]["detail"]
    finally:
        recorder.record_applied("notify", last)

    doctor._reported_at = float("-inf")
    assert readiness(client)[0] == 200


def test_a_server_that_was_restarted_is_not_called_away(client: Client) -> None:
    assert readiness(client)[0] == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    doctor._reported_at = float("-inf")
    status, body = readiness(client)

    assert (status, body["checks"]["database"]["status"]) == (200, "ok")


def test_a_storm_of_probes_examines_once() -> None:
    with ThreadPoolExecutor(16) as pool:
        reports = list(pool.map(lambda _number: doctor.report(), range(200)))

    assert all(report is reports[0] for report in reports) or len({id(report) for report in reports}) <= 2


def test_lanes_with_work_are_listed(client: Client, wait_for: Any) -> None:
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    factories.make_delivery(notification, channel="sms")

    def lanes() -> list[dict[str, Any]]:
        doctor._reported_at = float("-inf")
        listed: list[dict[str, Any]] = readiness(client)[1]["checks"]["lanes"].get("lanes", [])
        return listed

    (lane,) = wait_for(lanes)
    assert (lane["name"], lane["depth"]) == ("sms.normal", 1)
    assert lane["oldest_age_s"] >= 0


@pytest.mark.parametrize(
    ("depth", "age_s", "pulse_s", "stalled"),
    [
        (0, 0.0, None, False),
        (1, 5.0, None, False),
        (1, 60.0, None, True),
        (1, 60.0, 45.0, True),
        (100_000, 7200.0, 1.0, False),
    ],
)
def test_a_lane_stands_still_when_work_is_due_and_nobody_has_been_there(
    depth: int, age_s: float, pulse_s: float | None, stalled: bool
) -> None:
    pulses = {} if pulse_s is None else {"sms.bulk": NOW - timedelta(seconds=pulse_s)}

    (lane,) = judge([LaneDepth("sms.bulk", depth, age_s)], pulses=pulses, now=NOW)

    assert lane.stalled is stalled


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        ([], Status.OK),
        (["redis"], Status.DEGRADED),
        (["lanes"], Status.DEGRADED),
        (["database"], Status.UNAVAILABLE),
        (["migrations", "redis"], Status.UNAVAILABLE),
    ],
)
def test_only_what_acceptance_needs_makes_a_process_unready(failing: list[str], status: Status) -> None:
    names = ("database", "migrations", "redis", "broker", "lanes")
    checks = {name: Check(Status.UNAVAILABLE if name in failing else Status.OK) for name in names}

    assert conclude(checks) is status
    assert Report(status=conclude(checks), checks=checks).can_accept is (status is not Status.UNAVAILABLE)


def test_readings_of_a_database_that_is_away_are_none(database_settings: dict[str, Any]) -> None:
    database_settings.update(HOST="127.0.0.1", PORT="1")

    assert reader.current() is None
