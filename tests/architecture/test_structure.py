"""What static imports cannot show: names that are resolved at run time, and the size of things."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from celery.beat import Scheduler
from django.utils.module_loading import import_string

from channels import registry
from channels.names import CONTROL_QUEUE, LANES
from config import procfile

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = ("admin_portal", "bench", "channels", "config", "monitoring", "notify", "tests")
LONGEST_FILE = 320
LONGEST_TEST_FILE = 600
LONGEST_FUNCTION = 65
#: A list of settings: long, and one thing all the same.
MAY_BE_LONG = {"config/settings.py"}


def python_files() -> list[Path]:
    return [
        path for room in ROOMS for path in sorted((REPOSITORY / room).rglob("*.py")) if "migrations" not in path.parts
    ]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_adapter_of_the_registry_can_be_loaded() -> None:
    for name in registry.ADAPTERS:
        assert registry.adapter_class(name).config_schema, name


def test_every_queue_has_a_process_that_consumes_it() -> None:
    consumed = [
        queue for command in procfile.read(REPOSITORY / "Procfile").values() for queue in procfile.queues(command)
    ]

    assert sorted(consumed) == sorted([*LANES, CONTROL_QUEUE])


def test_celery_declares_the_queues_of_the_procfile() -> None:
    assert set(current_app.amqp.queues) == {*LANES, CONTROL_QUEUE}


def test_each_channel_has_a_process_of_its_own() -> None:
    for name, command in procfile.read(REPOSITORY / "Procfile").items():
        channels = {queue.partition(".")[0] for queue in procfile.queues(command)}
        assert len(channels) <= 1, name


def test_everything_that_beat_schedules_is_a_task() -> None:
    current_app.loader.import_default_modules()

    for name, entry in current_app.conf.beat_schedule.items():
        assert entry["task"] in current_app.tasks, name
        assert entry["options"]["queue"] in current_app.amqp.queues, name
    assert issubclass(import_string("redbeat.RedBeatScheduler"), Scheduler)


def test_every_task_named_in_the_source_exists() -> None:
    current_app.loader.import_default_modules()
    sent = [
        (path, node.args[0].value)
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"send_task", "signature"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]

    for path, name in sent:
        assert name in current_app.tasks, f"{path}: {name}"


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_functions_do_one_thing(path: Path) -> None:
    text = path.read_text()
    name = str(path.relative_to(REPOSITORY))

    longest = LONGEST_TEST_FILE if name.startswith("tests/") else LONGEST_FILE
    assert text.count("\n") <= longest or name in MAY_BE_LONG
    for function in functions(ast.parse(text)):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= LONGEST_FUNCTION, function.name


def test_nothing_that_is_pinned_names_a_registry() -> None:
    for path in REPOSITORY.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            assert "://" not in line, path
            assert not line.startswith("--"), path


def test_no_file_of_this_machine_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert not [name for name in listed.stdout.splitlines() if name.startswith((".data/", ".venv/"))]
