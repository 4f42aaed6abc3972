"""Errors of every kind of process arrive at a real Sentry endpoint, without anybody's data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.sentry_case.failing import SECRETS
from tests.monitoring.sentry_server import SentryServer

ROOT = Path(__file__).resolve().parents[2]

TASKS = "tests.monitoring.sentry_case.tasks"
REQUEST = """
import io, sys
from django.core.wsgi import get_wsgi_application
from django.core.handlers.wsgi import WSGIHandler
import sentry_sdk

application = get_wsgi_application()
environ = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/fail", "QUERY_STRING": "to=zhang.wei@example.com",
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(b'{"to": "+8613800001234"}'), "CONTENT_LENGTH": "24", "CONTENT_TYPE": "application/json",
    "wsgi.errors": sys.stderr, "HTTP_HOST": "localhost", "HTTP_X_REQUEST_ID": "request-4711",
    "HTTP_AUTHORIZATION": "Bearer gt_live_Ab12Cd34Ef56Gh78Ij90", "HTTP_IDEMPOTENCY_KEY": "order-993-of-wei",
    "HTTP_COOKIE": "sessionid=abcdefsession",
}
statuses = []
body = application(environ, lambda status, headers, exc=None: statuses.append(status))
list(body); body.close()
print(statuses[0])
sentry_sdk.flush()
"""


def failing_events(sentry: SentryServer) -> list[dict[str, Any]]:
    return [
        event
        for event in sentry.events
        if any(value["type"] == "FailingError" for value in event.get("exception", {}).get("values", []))
    ]


def assert_masked(sentry: SentryServer) -> None:
    sent = b"\n".join(sentry.envelopes).decode()
    # Dots and pluses may be escaped, so the telling parts are looked for as well.
    for secret in (*SECRETS, "13800001234", "zhang.wei", "Ab12Cd34Ef56", "order-993", "abcdefsession"):
        assert secret not in sent


def test_an_error_of_a_request_arrives_with_its_request_id_and_without_personal_data(
    sentry: SentryServer, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_python("-c", REQUEST, SENTRY_DSN=sentry.dsn, PROCESS_NAME="web")

    assert done.stdout.strip().startswith("500"), done.stderr
    (event,) = failing_events(sentry)
    assert event["tags"]["process"] == "web"
    assert event["tags"]["request_id"] == "request-4711"
    assert event["release"].startswith("goutong@")
    assert "+86*******1234" in event["exception"]["values"][-1]["value"]
    assert "data" not in event["request"]
    assert_masked(sentry)


def test_an_error_of_a_command_arrives_and_leaves_standard_output_clean(
    sentry: SentryServer, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_python("manage.py", "fail", SENTRY_DSN=sentry.dsn, PROCESS_NAME="manage")

    assert done.returncode == 1
    assert done.stdout == ""
    (event,) = failing_events(sentry)
    assert event["tags"]["process"] == "manage"
    assert_masked(sentry)


def test_an_uncaught_error_of_a_command_is_logged_masked(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python("manage.py", "fail")

    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["logger"] for line in lines] == ["tests.failing", "goutong.uncaught"]
    assert "FailingError" in lines[-1]["exception"]
    assert not any(secret in done.stderr for secret in SECRETS)


def test_an_error_of_a_task_in_a_real_worker_arrives_without_personal_data(
    sentry: SentryServer, subprocess_env: dict[str, str], valkey: str, wait_for: Any, tmp_path: Path
) -> None:
    env = {
        **subprocess_env,
        "SENTRY_DSN": sentry.dsn,
        "PROCESS_NAME": "worker-control",
        "REDIS_URL": valkey,
        "BROKER_URL": valkey,
    }
    celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
    options = ["--pool", "threads", "--concurrency", "1", "-Q", "control", "--include", TASKS]
    errors = tmp_path / "worker.err"
    with errors.open("wb") as log:
        worker = subprocess.Popen(
            [*celery, "worker", *options],
            cwd=ROOT,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            subprocess.run([*celery, "call", "tests.fail"], cwd=ROOT, env=env, check=True, capture_output=True)
            (event,) = wait_for(
                lambda: failing_events(sentry), timeout=60, message=f"no event; {errors.read_text()[-2000:]}"
            )
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(20)

    assert event["tags"]["process"] == "worker-control"
    assert event["extra"]["celery-job"]["task_name"] == "tests.fail"
    assert_masked(sentry)
    logged = errors.read_text()
    assert not any(secret in logged for secret in SECRETS)
    stray = [line for line in logged.splitlines() if not line.startswith("{")]
    assert stray == []


@pytest.mark.parametrize("expected", ["ProviderError", "NotifyError"])
def test_expected_errors_are_not_reported(
    sentry: SentryServer, run_python: Callable[..., subprocess.CompletedProcess[str]], expected: str
) -> None:
    program = f"""
import django, logging; django.setup()
from channels.errors import ProviderError
from notify.errors import NotifyError
import sentry_sdk
try: raise {expected}("as it happens")
except Exception: logging.getLogger("x").exception("it happened")
logging.getLogger("x").error("and this arrives")
sentry_sdk.flush()
"""
    run_python("-c", program, SENTRY_DSN=sentry.dsn)

    assert [event["logentry"]["message"] for event in sentry.events] == ["and this arrives"]


def test_an_outage_of_the_database_is_one_report_however_often_it_is_met(
    sentry: SentryServer, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    program = """
import django, logging; django.setup()
from django.db import connection, OperationalError
import sentry_sdk
for _ in range(50):
    try: connection.ensure_connection()
    except OperationalError: logging.getLogger("x").exception("no database")
sentry_sdk.flush()
"""
    done = run_python(
        "-c", program, SENTRY_DSN=sentry.dsn, DATABASE_URL="postgresql://u:pw-4711@127.0.0.1:1/none", DEMO="1"
    )

    assert sentry.events, done.stderr
    (event,) = sentry.events
    assert event["fingerprint"] == ["outage", "database"]
    assert b"pw-4711" not in b"".join(sentry.envelopes)
