"""One line a record, whoever wrote it, without anybody's data."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from django.db import DatabaseError, connection, transaction

from monitoring import logs
from monitoring.scrubbing import MAX_TEXT, scrub, scrub_text

LogLines = Callable[[], list[dict[str, Any]]]

PHONE, EMAIL, KEY = "+8613800001234", "zhang.wei@example.com", "gt_test_Ab12Cd34Ef56Gh78"
log = structlog.get_logger("tests.logs")
standard = logging.getLogger("tests.logs")


def test_a_structlog_event_is_a_line_of_json_with_its_context(log_lines: LogLines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1", lane="sms.critical"):
        log.info("claimed", count=3)

    (line,) = log_lines()
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["event"]) == ("info", "tests.logs", "claimed")
    assert (line["request_id"], line["lane"], line["count"]) == ("r-1", "sms.critical", 3)
    assert line["process"]


def test_a_record_of_the_standard_library_takes_the_same_way(log_lines: LogLines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-2"):
        standard.warning("lost %s of %d", "one", 5, extra={"lane": "sms.bulk"})

    (line,) = log_lines()
    assert (line["event"], line["level"], line["lane"], line["request_id"]) == (
        "lost one of 5",
        "warning",
        "sms.bulk",
        "r-2",
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda: log.info(" ".join(("to", PHONE, EMAIL, KEY))),
        lambda: log.info("sent", to=PHONE, cc=EMAIL, key=KEY),
        lambda: log.info("sent", messages=[{"to": PHONE, "deep": {"cc": (EMAIL, {KEY})}}]),
        lambda: log.info("sent", error=ValueError(f"{PHONE} {EMAIL} {KEY}"), raw=f"{PHONE} {EMAIL} {KEY}".encode()),
        lambda: log.info("sent", authorization="Basic c2VjcmV0", headers={"Cookie": "c2VjcmV0"}),
        lambda: standard.info("to %s %s %s", PHONE, EMAIL, KEY),
        lambda: standard.info("sent", extra={"to": PHONE, "cc": [EMAIL]}),
    ],
)
def test_personal_data_and_keys_never_reach_a_line(
    write: Callable[[], None], log_lines: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    write()

    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert not any(secret in written for secret in (PHONE, "13800001234", "zhang.wei", "Ab12Cd34", "c2VjcmV0"))


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Callable[[logging.LogRecord], str]:
    """What our handler writes for a record, without any of the test runner's handlers."""
    handler = logs.LineHandler()
    handler.setFormatter(logs.LineFormatter(process="test", render=logs.render_json))

    def handle(record: logging.LogRecord) -> str:
        handler.handle(record)
        return capsys.readouterr().err

    return handle


@pytest.mark.parametrize(("message", "argument"), [("too few %s %s", PHONE), ("no number %d", EMAIL)])
def test_a_log_call_with_wrong_arguments_shows_none_of_them(
    message: str, argument: str, written: Callable[[logging.LogRecord], str]
) -> None:
    line = written(logging.LogRecord("tests.logs", logging.INFO, __file__, 1, message, (argument,), None))

    assert "unloggable" in line
    assert argument not in line


def test_exceptions_are_masked_with_their_causes(log_lines: LogLines) -> None:
    try:
        try:
            raise KeyError(PHONE)
        except KeyError as cause:
            raise RuntimeError(f"no answer for {EMAIL}") from cause
    except RuntimeError:
        log.exception("failed")

    (line,) = log_lines()
    assert "RuntimeError" in line["exception"]
    assert "KeyError" in line["exception"]
    assert PHONE not in line["exception"]
    assert EMAIL not in line["exception"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO said VALUES (NULL, 'code (4711) is yours')", "Failing row"),
        ("INSERT INTO said VALUES (1, 'code 4711'); INSERT INTO said VALUES (2, 'code 4711')", "Key (body)"),
    ],
)
def test_rows_that_postgresql_quotes_are_masked(statement: str, said: str, log_lines: LogLines) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE said (id integer NOT NULL, body text UNIQUE) ON COMMIT DROP")
        try:
            with transaction.atomic():
                cursor.execute(statement)
        except DatabaseError as error:
            log.error("refused", detail=str(error))

    (line,) = log_lines()
    assert said in line["detail"]
    assert "4711" not in line["detail"]


def test_a_field_that_is_named_like_one_of_ours_is_kept_beside_it(log_lines: LogLines) -> None:
    log.info("named", level="high", logger="mine", process="p")

    (line,) = log_lines()
    assert (line["level"], line["logger"]) == ("info", "tests.logs")
    assert (line["level_"], line["logger_"], line["process_"]) == ("high", "mine", "p")


def test_what_json_cannot_hold_is_logged_all_the_same(written: Callable[[logging.LogRecord], str]) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError

    record = logging.LogRecord("tests.logs", logging.INFO, __file__, 1, "odd \ud800", (), None)
    record.fields = {"number": 2**80, "thing": Unspeakable(), "none": None}

    line = json.loads(written(record))

    assert line["number"] == 2**80
    assert line["thing"] == "<Unspeakable>"


def test_setting_up_again_leaves_one_handler(log_lines: LogLines) -> None:
    logging.getLogger().addHandler(logging.StreamHandler())

    logs.configure()
    logs.configure()
    log.info("once")

    assert len(log_lines()) == 1


def test_the_threshold_of_the_settings_holds(log_lines: LogLines) -> None:
    log.debug("whisper")

    assert log_lines() == []


def test_an_uncaught_exception_of_a_thread_is_a_masked_line(log_lines: LogLines, monkeypatch: Any) -> None:
    def fail() -> None:
        raise RuntimeError(PHONE)

    try:
        fail()
    except RuntimeError as error:
        logs.log_uncaught_in_thread(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )

    (line,) = log_lines()
    assert "RuntimeError" in line["exception"]
    assert PHONE not in line["exception"]


def test_long_texts_lose_their_middle_and_nothing_shows_at_the_cut() -> None:
    text = f"{EMAIL} " * 5000

    shown = scrub_text(text)

    assert len(shown) <= MAX_TEXT + 3
    assert "zhang" not in shown


def test_containers_are_bounded() -> None:
    nested: list[Any] = []
    nested.append(nested)

    assert len(json.dumps(scrub(nested))) < 100
    assert len(scrub(list(range(100_000)))) < 1000


def test_the_console_format_is_masked_too(
    settings: Any, capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    settings.LOG_FORMAT = "console"
    logs.configure()

    try:
        raise ValueError(EMAIL)
    except ValueError:
        log.exception("failed", to=PHONE)

    written = capsys.readouterr().err
    assert "ValueError" in written
    assert EMAIL not in written
    assert PHONE not in written


def test_the_console_gets_nothing_that_a_terminal_obeys(
    settings: Any, capsys: pytest.CaptureFixture[str], log_lines: LogLines
) -> None:
    settings.LOG_FORMAT = "console"
    logs.configure()
    evil = "/a\x1b[2J\x00\r\n2026-11-24 [info] forged \x9b\u2028\u202e"

    log.info(evil, path=evil)
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        log.exception("failed")

    written = capsys.readouterr().err
    assert not set("\x1b\x00\r\x9b\u2028\u202e") & set(written)
    assert "\n2026-11-24 [info] forged" not in written
    assert "\\x1b[2J\\x00\\r\\n" in written
    assert 'Traceback (most recent call last):\n  File "' in written


def test_logs_of_a_command_leave_its_standard_output_alone(subprocess_env: dict[str, str]) -> None:
    program = (
        "import django; django.setup(); import logging, structlog, warnings;"
        "logging.getLogger('a').warning('one'); structlog.get_logger('b').info('two'); warnings.warn('three');"
        "print('result')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default::UserWarning", "-c", program],
        env=subprocess_env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "result\n"
    assert [json.loads(line)["logger"] for line in done.stderr.splitlines()] == ["a", "b", "py.warnings"]
