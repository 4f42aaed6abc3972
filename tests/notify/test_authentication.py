"""Keys: who gets in, from where, and what for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notify import api_keys
from notify.errors import InvalidRequest
from notify.models import ApiKey, Application
from tests.conftest import WaitFor
from tests.connections import end_connection
from tests.factories import make_application

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.notify.probe_urls")]


@pytest.fixture
def application() -> Application:
    return make_application()


def ask(plain: str, **options: Any) -> Any:
    return Client().get("/api/v1/scoped", headers={"Authorization": f"Bearer {plain}"}, **options)


def refused(response: Any, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_a_key_lets_its_application_in(application: Application) -> None:
    _key, plain = api_keys.create(application=application)

    assert ask(plain).json() == {"application": application.name}


def test_a_key_is_kept_only_as_prefix_and_hash(application: Application) -> None:
    key, plain = api_keys.create(application=application, is_test=True)

    assert plain.startswith("gt_test_")
    assert key.prefix == plain[:16]
    assert plain[16:] not in str(ApiKey.objects.values().get())


def test_every_key_is_another(application: Application) -> None:
    assert len({api_keys.create(application=application)[1] for _ in range(20)}) == 20


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Bearer", "Bearer "])
def test_without_a_key_nobody_gets_in(header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    refused(Client().get("/api/v1/scoped", headers=headers), 401, "missing_key")


@pytest.mark.parametrize(
    "plain", ["gt_live_" + "x" * 43, "nonsense", "gt_live_\x00", "gt_live_" + "x" * 5000, "gt_live_é"]
)
def test_an_unknown_key_is_refused(plain: str) -> None:
    refused(ask(plain), 401, "invalid_key")


def test_a_key_with_the_right_prefix_and_a_wrong_rest_is_refused(application: Application) -> None:
    _key, plain = api_keys.create(application=application)

    refused(ask(plain[:-1] + ("a" if plain[-1] != "a" else "b")), 401, "invalid_key")


def test_an_expired_key_is_refused(application: Application) -> None:
    _key, plain = api_keys.create(application=application, expires_at=timezone.now() - timedelta(seconds=1))

    refused(ask(plain), 401, "expired_key")


def test_a_revoked_key_is_refused_at_once_and_for_good(application: Application) -> None:
    key, plain = api_keys.create(application=application)

    assert api_keys.revoke(key=key, now=timezone.now())

    refused(ask(plain), 401, "revoked_key")
    assert not api_keys.revoke(key=key, now=timezone.now())


def test_a_key_of_an_application_that_is_switched_off_is_refused(application: Application) -> None:
    _key, plain = api_keys.create(application=application)
    Application.objects.update(is_active=False)

    refused(ask(plain), 403, "application_inactive")


@pytest.mark.parametrize(
    ("of_key", "of_application", "address", "allowed"),
    [
        ([], [], "203.0.113.9", True),
        (["10.0.0.0/8"], [], "10.1.2.3", True),
        (["10.0.0.0/8"], [], "11.1.2.3", False),
        (["10.0.0.0/8"], ["10.9.0.0/16"], "10.1.2.3", False),
        ([], ["2001:db8::/32"], "2001:db8::1", True),
        ([], ["10.0.0.1"], "::ffff:10.0.0.1", True),
        ([], ["10.0.0.1"], "", False),
    ],
)
def test_keys_and_applications_may_name_the_addresses_they_are_used_from(
    application: Application, of_key: list[str], of_application: list[str], address: str, allowed: bool
) -> None:
    Application.objects.update(allowed_ips=of_application)
    _key, plain = api_keys.create(application=application, allowed_ips=of_key)

    response = ask(plain, REMOTE_ADDR=address)

    if allowed:
        assert response.status_code == 200
    else:
        refused(response, 403, "ip_not_allowed")


@pytest.mark.parametrize(
    ("trusted", "remote", "forwarded", "allowed"),
    [
        ([], "192.0.2.1", "10.0.0.1", False),
        (["192.0.2.0/24"], "192.0.2.1", "10.0.0.1", True),
        (["192.0.2.0/24"], "198.51.100.1", "10.0.0.1", False),
        (["192.0.2.0/24"], "192.0.2.1", "10.0.0.1, 203.0.113.7", False),
        (["192.0.2.0/24"], "192.0.2.1", "203.0.113.7, 10.0.0.1, 192.0.2.9", True),
        (["192.0.2.0/24"], "192.0.2.1", "nonsense", False),
    ],
)
def test_a_forwarded_address_counts_as_far_as_trusted_proxies_wrote_it(
    application: Application, trusted: list[str], remote: str, forwarded: str, allowed: bool
) -> None:
    _key, plain = api_keys.create(application=application, allowed_ips=["10.0.0.1"])

    with override_settings(NOTIFY={**settings.NOTIFY, "TRUSTED_PROXIES": trusted}):
        response = ask(plain, REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)

    assert response.status_code == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("scopes", "method", "allowed"),
    [
        (["read"], "get", True),
        (["send"], "get", False),
        (["send"], "post", True),
        (["dead_letters"], "post", True),
        (["templates"], "post", False),
        (["read"], "post", False),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    application: Application, scopes: list[str], method: str, allowed: bool
) -> None:
    _key, plain = api_keys.create(application=application, scopes=scopes)

    response = getattr(Client(), method)("/api/v1/scoped", headers={"Authorization": f"Bearer {plain}"})

    if allowed:
        assert response.status_code == 200
    else:
        refused(response, 403, "missing_scope")


def test_a_request_costs_one_query(application: Application, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _key, plain = api_keys.create(application=application)
    ask(plain)
    api_keys.forget()

    with django_assert_num_queries(1):
        ask(plain)


def test_the_next_one_with_the_same_key_costs_none(
    application: Application, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _key, plain = api_keys.create(application=application)
    ask(plain)

    with django_assert_num_queries(0):
        ask(plain)


def test_a_key_that_another_process_revoked_is_refused_before_long(application: Application, wait_for: WaitFor) -> None:
    key, plain = api_keys.create(application=application)
    assert ask(plain).status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())  # this process does not hear of it

    wait_for(lambda: ask(plain).status_code == 401, timeout=5.0)


def test_what_is_changed_in_this_process_counts_at_once(application: Application) -> None:
    _key, plain = api_keys.create(application=application)
    assert ask(plain).status_code == 200

    application.is_active = False
    application.save()

    refused(ask(plain), 403, "application_inactive")


def test_the_use_of_a_key_is_noted_once_a_minute(application: Application) -> None:
    key, plain = api_keys.create(application=application)
    noted = timezone.now() - timedelta(seconds=90)
    ApiKey.objects.update(last_used_at=noted)

    ask(plain)
    key.refresh_from_db()
    first = key.last_used_at
    ask(plain)
    key.refresh_from_db()

    assert first is not None
    assert first > noted
    assert key.last_used_at == first


@pytest.mark.parametrize("options", [{"scopes": ["fly"]}, {"scopes": []}, {"allowed_ips": ["everywhere"]}])
def test_a_key_that_makes_no_sense_is_not_made(application: Application, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        api_keys.create(application=application, **options)

    assert not ApiKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_costs_no_client_an_error(application: Application) -> None:
    _key, plain = api_keys.create(application=application)
    end_connection()

    found = api_keys.find(plain)

    assert found is not None
    assert found.application == application


@pytest.mark.django_db(transaction=True)
def test_nor_does_one_that_died_since_its_key_was_looked_up(application: Application) -> None:
    _key, plain = api_keys.create(application=application)
    api_keys.find(plain)
    end_connection()

    assert api_keys.find(plain) is not None
    assert Application.objects.filter(pk=application.pk).exists()


class TestCommand:
    def test_it_prints_the_key_alone(self, application: Application, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("create_api_key", application.name)

        plain = capsys.readouterr().out.removesuffix("\n")
        found = api_keys.find(plain)
        assert found is not None
        assert (found.application, found.scopes, found.is_test) == (application, ["send", "read"], False)

    def test_its_options_are_the_keys(self, application: Application, capsys: pytest.CaptureFixture[str]) -> None:
        call_command(
            "create_api_key",
            application.name,
            "--test",
            "--scopes=read,templates",
            "--name=ci",
            "--expires=2099-01-01T00:00:00Z",
            "--allowed-ips=10.0.0.1/8",
        )

        found = api_keys.find(capsys.readouterr().out.strip())
        assert found is not None
        assert (found.is_test, found.scopes, found.name) == (True, ["read", "templates"], "ci")
        assert found.allowed_ips == ["10.0.0.0/8"]
        assert found.expires_at is not None
        assert found.expires_at.year == 2099

    def test_an_unknown_application_is_told_with_those_like_it(self) -> None:
        make_application(name="billing")

        with pytest.raises(CommandError, match="billing") as caught:
            call_command("create_api_key", "biling")

        assert caught.value.returncode == 1

    @pytest.mark.parametrize("option", ["--scopes=fly", "--expires=soon", "--expires=2020-01-01T00:00:00Z"])
    def test_an_option_that_makes_no_sense_is_told(self, application: Application, option: str) -> None:
        with pytest.raises(CommandError):
            call_command("create_api_key", application.name, option)


@pytest.mark.django_db
def test_a_key_can_not_be_made_to_expire_where_no_calendar_reaches() -> None:
    with pytest.raises(InvalidRequest):
        api_keys.create(application=make_application(), expires_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
