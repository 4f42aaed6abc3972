"""A wrong setting stops start-up with one line that names it; and every setting is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import env

PRODUCTION = {
    "DATABASE_URL": "postgresql://u:p@db.example:5432/goutong",
    "REDIS_URL": "redis://cache.example:6379/0",
    "SECRET_KEY": "x" * 50,
    "ALLOWED_HOSTS": "goutong.example",
    "FIELD_ENCRYPTION_KEYS": "gP2zIu3y5yD2ELIpxOAuVBbYNaz2m-bSWGy5c9eVbnQ=",
}
OURS = {name.upper() for name in env.Environment.model_fields}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> env.Environment:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return env.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("DEBUG", "perhaps"),
        ("DATABASE_URL", "mysql://u:p@h/x"),
        ("DATABASE_URL", "postgres://"),
        ("DATABASE_URL", "postgres://u:p@h:port/x"),
        ("DATABASE_URL", "postgres://u:p@a:5432,b:70000/x"),
        ("DATABASE_REPLICA_URLS", "postgres://h/x,mysql://h/x"),
        ("REDIS_URL", "http://h"),
        ("REDIS_URL", "redis://h:port/0"),
        ("REDIS_URL", "redis://h:70000/0"),
        ("BROKER_URL", "nonsense"),
        ("BROKER_URL", "sentinel://a:26379;sentinel://b:port"),
        ("PUBLIC_URL", "https://h:port"),
        ("SENTRY_DSN", "garbage"),
        ("TIME_ZONE", "Mars/Phobos"),
        ("FIELD_ENCRYPTION_KEYS", "short"),
        ("FLOWER_BASIC_AUTH", "nobody"),
        ("LEASE_S", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_malformed_setting_stops_start_up_with_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(monkeypatch, **{name: value})
    line = str(stopped.value)
    assert line.startswith(f"goutong: setting {name}: ")
    assert "\n" not in line


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "ALLOWED_HOSTS", "REDIS_URL"])
def test_a_setting_that_is_missing_in_production_stops_start_up(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(SystemExit, match=f"goutong: setting {name}: is required in production"):
        load(monkeypatch, **{key: value for key, value in PRODUCTION.items() if key != name})


def test_a_whole_production_environment_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, **PRODUCTION).production


def test_several_hosts_and_sockets_are_databases_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (
        "postgresql://u:p@a:5432,b:5433/goutong?target_session_attrs=read-write",
        "postgresql://postgres@/goutong?host=/run/postgresql",
        "postgresql://u:p@[::1]:5432/goutong",
    ):
        assert load(monkeypatch, **{**PRODUCTION, "DATABASE_URL": url}).database_url == url


def test_every_setting_is_in_the_operator_s_table() -> None:
    text = (Path(env.__file__).resolve().parents[1] / "docs" / "operations.md").read_text()
    assert {name for name in OURS if f"`{name}`" not in text} == set()
