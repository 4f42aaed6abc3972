"""What is counted, by whom, and what Prometheus gets to see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from monitoring import metrics, receivers
from notify import signals
from notify.signals import RecordedResult, RecordedTry
from tests import factories

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def provider() -> str:
    """A label that no other test counts under."""
    return f"provider-{uuid4().hex[:12]}"


def value(name: str, **labels: str) -> float | None:
    return metrics.registry().get_sample_value(name, labels)


def attempt(provider: str, *, outcome: str = "sent", latency_s: float = 0.02) -> RecordedTry:
    return RecordedTry(lane="sms.critical", provider=provider, outcome=outcome, latency_s=latency_s)


def result(provider: str, status: str, *, age_s: float = 0.3) -> RecordedResult:
    return RecordedResult(lane="sms.critical", provider=provider, status=status, age_s=age_s)


def test_a_batch_is_counted_by_outcome_and_by_end(provider: str) -> None:
    tries = [attempt(provider)] * 3 + [attempt(provider, outcome="unavailable")]
    results = [result(provider, "sent")] * 2 + [result(provider, "dead"), result(provider, "queued")]

    signals.send_recorded(tries=tries, results=results)

    by = {"channel": "sms", "priority": "critical", "provider": provider}
    assert value("goutong_attempts_total", **by, outcome="sent") == 3
    assert value("goutong_attempts_total", **by, outcome="unavailable") == 1
    assert value("goutong_deliveries_total", **by, status="sent") == 2
    assert value("goutong_deliveries_total", **by, status="dead") == 1
    assert value("goutong_deliveries_total", **by, status="queued") is None


def test_receipts_are_counted_by_what_they_meant(provider: str) -> None:
    signals.receipts.send(sender=None, provider=provider, counts={"delivered": 3, "unknown": 1})
    signals.receipts.send(sender=None, provider=provider, counts={"delivered": 1})

    assert value("goutong_receipts_total", provider=provider, outcome="delivered") == 4
    assert value("goutong_receipts_total", provider=provider, outcome="unknown") == 1


def test_latencies_fall_into_their_buckets(provider: str) -> None:
    seconds = [0.005, 0.006, 0.3, 100.0]

    signals.send_recorded(tries=[attempt(provider, latency_s=one) for one in seconds], results=[])

    by = {"channel": "sms", "provider": provider}
    name = "goutong_attempt_latency_seconds"
    buckets = [value(f"{name}_bucket", **by, le=le) for le in ("0.005", "0.01", "0.25", "0.5", "30.0", "+Inf")]
    assert buckets == [1, 2, 2, 3, 3, 4]
    assert value(f"{name}_sum", **by) == pytest.approx(sum(seconds))


def test_accepted_deliveries_are_counted_by_application_and_lane(provider: str) -> None:
    signals.send_accepted(application=provider, lanes={"email.bulk": 500, "sms.bulk": 2})

    by = {"application": provider, "priority": "bulk"}
    assert value("goutong_accepted_total", **by, channel="email") == 500
    assert value("goutong_accepted_total", **by, channel="sms") == 2


def test_applications_do_not_make_series_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_applications", {f"application-{number}" for number in range(200)})

    assert receivers._bounded("application-7") == "application-7"
    assert receivers._bounded("one-too-many") == "other"


def test_expired_leases_are_counted() -> None:
    before = value("goutong_leases_expired_total", lane="im.bulk") or 0

    signals.leases_expired.send(sender=None, lane="im.bulk", count=7)

    assert value("goutong_leases_expired_total", lane="im.bulk") >= before + 7


def test_a_receiver_never_raises(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    signals.recorded.send(sender=None, tries=[None], results=[])
    signals.accepted.send(sender=None, application="a", lanes={"sms.bulk": -1})

    assert [line["event"] for line in log_lines()] == ["metrics could not be counted"] * 2


COUNT = """
import sys
import prometheus_client  # as Flower's command has it done in every process of Celery
import django; django.setup()
from notify import signals
signals.leases_expired.send(sender=None, lane=sys.argv[1], count=1)
from monitoring import metrics
print(metrics.values.ValueClass.__name__, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def counting(subprocess_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts processes that count one expired lease of a lane and then wait, all in one directory."""
    started = []
    env = {**subprocess_env, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}

    def start(lane: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", COUNT, lane],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "MmapedValue"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def summed(directory: Path, lane: str) -> float | None:
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory / "run" / "metrics"))
    return registry.get_sample_value("goutong_leases_expired_total", {"lane": lane})


def test_processes_add_up_and_a_killed_ones_figures_stay(
    counting: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first, _second = counting("sms.bulk"), counting("sms.bulk")
    assert summed(tmp_path, "sms.bulk") == 2

    first.send_signal(signal.SIGKILL)
    first.wait()
    assert summed(tmp_path, "sms.bulk") == 2

    counting("sms.bulk")
    assert summed(tmp_path, "sms.bulk") == 3


def test_there_are_as_many_files_as_processes_that_ran_at_once(
    counting: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    for _life in range(3):
        process = counting("sms.bulk")
        process.kill()
        process.wait()

    assert len(list((tmp_path / "run" / "metrics").glob("counter_*.db"))) == 1
    assert summed(tmp_path, "sms.bulk") == 3


def test_torn_files_of_a_former_process_are_begun_anew(
    counting: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "metrics"
    folder.mkdir(parents=True)
    (folder / "counter_slot0.db").write_bytes(b"\xff\x00\x00\x00torn" * 20)

    counting("sms.bulk")

    assert summed(tmp_path, "sms.bulk") == 1


def test_a_forked_child_counts_in_a_slot_of_its_own() -> None:
    before = value("goutong_leases_expired_total", lane="push.bulk") or 0
    receivers.count_expired_leases(lane="push.bulk", count=1)

    child = os.fork()
    if child == 0:
        receivers.count_expired_leases(lane="push.bulk", count=2)
        os._exit(0)
    os.waitpid(child, 0)
    receivers.count_expired_leases(lane="push.bulk", count=4)

    assert value("goutong_leases_expired_total", lane="push.bulk") >= before + 7


def scrape(client: Client) -> dict[tuple[str, str], float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fresh_eyes")
def test_metrics_show_what_was_counted_and_what_waits(client: Client, provider: str) -> None:
    notification = factories.make_notification(factories.make_application(), channels=["sms"])
    delivery = factories.make_delivery(notification, channel="sms")
    factories.make_dead_letter(delivery)
    signals.send_recorded(tries=[attempt(provider)], results=[])

    shown = scrape(client)

    assert shown["goutong_attempts_total", f"sms,sent,critical,{provider}"] == 1
    assert shown["goutong_database_up", ""] == 1
    assert shown["goutong_lane_depth", "sms.normal"] == 1
    assert shown["goutong_lane_depth", "email.bulk"] == 0
    assert shown["goutong_lane_oldest_age_seconds", "sms.normal"] >= 0
    assert shown["goutong_lane_stalled", "sms.normal"] == 0
    assert shown["goutong_dead_letters_open", "sms"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fresh_eyes")
def test_without_a_database_metrics_say_so_and_show_the_counted(client: Client, provider: str) -> None:
    signals.send_recorded(tries=[attempt(provider)], results=[])
    entry = connections.settings["default"]
    before = dict(entry)
    connection.ensure_connection()
    entry.update(HOST="127.0.0.1", PORT="1")
    try:
        shown = scrape(client)
    finally:
        entry.update(before)

    assert shown["goutong_database_up", ""] == 0
    assert shown["goutong_attempts_total", f"sms,sent,critical,{provider}"] == 1
    assert not any(name.startswith("goutong_lane_depth") for name, _labels in shown)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic t0ken", 401), ("Bearer t0ken", 200), ("bearer t0ken", 200)],
)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fresh_eyes")
def test_a_token_guards_the_metrics(client: Client, settings: Any, authorization: str | None, status: int) -> None:
    settings.METRICS_TOKEN = "t0ken"
    headers = {"Authorization": authorization} if authorization else {}

    assert client.get("/metrics", headers=headers).status_code == status
