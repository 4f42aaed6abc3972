"""The limits of lanes, from the environment: checked at start-up, with one line that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import env


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in env.Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


def test_limits_are_read_by_lane_and_by_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANE_LIMITS", "sms.bulk=200000:1000000, normal=5:5,")
    assert env.load().lane_limits == {"sms.bulk": (200_000, 1_000_000), "normal": (5, 5)}


def test_without_the_setting_there_are_none_but_the_defaults() -> None:
    assert env.load().lane_limits == {}


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("sms.bulk", "write lane=soft:hard"),
        ("sms.bulk=5", "write lane=soft:hard"),
        ("sms.bulk=-1:5", "write lane=soft:hard"),
        ("sms.bulk=many:5", "write lane=soft:hard"),
        ("fax.bulk=1:5", "neither a lane nor a priority"),
        ("sms.critical=1:5", "what is critical is never refused"),
        ("critical=1:5", "what is critical is never refused"),
        ("sms.bulk=1:5,sms.bulk=2:6", "there twice"),
        ("sms.bulk=6:5", "1 ≤ soft ≤ hard"),
        ("sms.bulk=0:5", "1 ≤ soft ≤ hard"),
        ("sms.bulk=1:99999999999", "1 ≤ soft ≤ hard"),
    ],
)
def test_malformed_limits_stop_start_up_with_one_line(monkeypatch: pytest.MonkeyPatch, value: str, detail: str) -> None:
    monkeypatch.setenv("LANE_LIMITS", value)
    with pytest.raises(SystemExit) as stopped:
        env.load()
    line = str(stopped.value)
    assert line.startswith("goutong: setting LANE_LIMITS: ")
    assert detail in line
    assert "\n" not in line
