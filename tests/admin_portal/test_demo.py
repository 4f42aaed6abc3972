"""The demo: loaded twice it is the same, and what its applications send is accepted."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from admin_portal import demo
from admin_portal.traffic import Outage, next_call
from channels.models import Provider
from channels.names import CHANNELS
from notify import api_keys
from notify.models import ApiKey, Application, Template

ENVIRONMENT = {"SANDBOX_URL": "http://127.0.0.1:9101", "SANDBOX_SMTP_PORT": "2525"}


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Path]:
    """A DATA_DIR of its own, and a sandbox's addresses."""
    settings.DATA_DIR = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def load() -> dict[str, Any]:
    out = StringIO()
    call_command("load_demo", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_second_load_prints_the_same_and_changes_nothing(data_dir: Path) -> None:
    first = load()
    rows = {model: model.objects.count() for model in (ApiKey, Application, Provider, Template, User)}
    assert load() == first
    assert {model: model.objects.count() for model in rows} == rows


def test_every_channel_has_two_providers_or_more(data_dir: Path) -> None:
    load()
    for channel in CHANNELS:
        assert Provider.objects.filter(channel=channel, enabled=True).count() >= 2, channel


def test_the_printed_logins_and_key_work(data_dir: Path) -> None:
    answer = load()
    roles = {"superuser", "administrator", "operator", "approver", "auditor", "viewer"}
    assert {login["role"] for login in answer["logins"]} == roles
    for login in answer["logins"]:
        form = {"username": login["username"], "password": login["password"]}
        assert Client().post(reverse("admin:login"), form).status_code == 302, login["role"]
    key = api_keys.find(answer["api_key"])
    assert key is not None
    assert key.application.name == "billing"


def test_only_its_owner_reads_what_the_demo_keeps(data_dir: Path) -> None:
    load()
    assert stat.S_IMODE((data_dir / demo.FILE).stat().st_mode) == 0o600


def test_what_people_changed_meanwhile_is_left_alone(data_dir: Path) -> None:
    load()
    Provider.objects.filter(name="sms-a").update(weight=1)
    load()
    assert Provider.objects.get(name="sms-a").weight == 1


def test_a_revoked_key_is_replaced(data_dir: Path) -> None:
    first = load()["api_key"]
    key = api_keys.find(first)
    assert key is not None
    api_keys.revoke(key=key, now=datetime.now(UTC))
    assert load()["api_key"] != first


def test_a_changed_password_is_not_printed_wrongly(data_dir: Path) -> None:
    load()
    viewer = User.objects.get(username="viewer")
    viewer.set_password("their own")
    viewer.save()
    logins = {login["username"]: login["password"] for login in load()["logins"]}
    assert logins["viewer"] == demo.CHANGED
    viewer.refresh_from_db()
    assert viewer.check_password("their own")


def test_without_a_sandbox_nothing_is_loaded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANDBOX_SMTP_PORT")
    with pytest.raises(CommandError, match="SANDBOX_SMTP_PORT"):
        load()
    assert not Application.objects.exists()
    assert not User.objects.exists()


def test_everything_the_demo_sends_is_accepted_but_for_the_one_that_is_meant_to_be_refused(data_dir: Path) -> None:
    load()
    keys = demo.Keepsake.read(data_dir).keys
    rng, now, client = Random(7), datetime.now(UTC), Client()
    refused = 0
    for _ in range(120):
        call = next_call(rng=rng, now=now)
        answer = client.post(
            f"/api/v1/{call.path}",
            json.dumps(call.body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {keys[call.application]}"},
        )
        meant = call.body.get("template") == "otp" and not call.body["params"]
        refused += meant
        assert answer.status_code == (422 if meant else 202), answer.content
    assert refused < 12


def test_the_first_message_is_accepted(data_dir: Path) -> None:
    answer = load()
    response = Client().post(
        "/api/v1/notifications",
        json.dumps(answer["curl"]),
        content_type="application/json",
        headers={"Authorization": f"Bearer {answer['api_key']}"},
    )
    assert response.status_code == 202, response.content


@pytest.mark.parametrize(
    ("seconds", "down"), [(0, False), (19, False), (21, True), (44, True), (46, False), (621, True), (650, False)]
)
def test_the_outage_comes_and_goes(seconds: float, down: bool) -> None:
    assert Outage().is_on(since_start_s=seconds) is down
