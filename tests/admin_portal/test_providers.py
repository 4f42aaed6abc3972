"""Providers: a form made by the adapter, secrets that never come out, and switching on and off."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse

from channels.models import Provider

SECRET = "s3cret-of-the-gateway"
BASE = {"name": "sms-x", "channel": "sms", "weight": "30", "max_concurrency": "8", "timeout_s": "5", "enabled": "on"}
CONFIG = {"config:url": "http://127.0.0.1:9/send", "config:method": "POST", "config:token": SECRET}
ADD = "admin:channels_provider_add"


def add(client: Client, adapter: str = "http_sms", **fields: str) -> Any:
    return client.post(reverse(ADD) + f"?adapter={adapter}", {**BASE, **CONFIG, **fields})


@pytest.fixture
def provider(db: None) -> Provider:
    config = {"url": "http://127.0.0.1:9/send", "token": SECRET, "headers": {"X-Key": SECRET}}
    return Provider.objects.create(name="sms-x", channel="sms", adapter="http_sms", config=config)


def change_url(provider: Provider) -> str:
    return reverse("admin:channels_provider_change", args=(provider.pk,))


def test_the_adapter_is_asked_for_first(admin: Client) -> None:
    html = admin.get(reverse(ADD)).content.decode()
    assert "?adapter=smtp" in html
    assert "?adapter=http_sms" in html


def test_a_provider_is_made_with_what_its_adapter_asks_for(admin: Client) -> None:
    add(admin)
    made = Provider.objects.get(name="sms-x")
    assert (made.adapter, made.channel) == ("http_sms", "sms")
    assert made.config == {"url": "http://127.0.0.1:9/send", "token": SECRET}


def test_what_the_adapter_refuses_is_shown_at_its_field(admin: Client) -> None:
    answer = add(admin, **{"config:url": "gopher://example.com"})
    assert answer.status_code == 200
    assert "http://" in answer.content.decode()
    assert not Provider.objects.exists()


def test_what_an_adapter_says_of_a_key_is_shown_as_it_is_written(admin: Client) -> None:
    assert "Goutong &lt;no-reply@example.com&gt;" in admin.get(reverse(ADD) + "?adapter=smtp").content.decode()


def test_an_unknown_adapter_makes_nothing(admin: Client) -> None:
    add(admin, adapter="os.system")
    assert not Provider.objects.exists()


def test_a_stored_secret_is_on_no_page(admin: Client, viewer: Client, provider: Provider) -> None:
    history = reverse("admin:channels_provider_history", args=(provider.pk,))
    for client in (admin, viewer):
        for page in (change_url(provider), reverse("admin:channels_provider_changelist"), history):
            html = client.get(page).content.decode()
            assert SECRET not in html
            assert "gAAAA" not in html  # nor as it is encrypted


def test_a_secret_is_not_shown_again_when_the_form_has_a_fault(admin: Client) -> None:
    assert SECRET not in add(admin, weight="heavy").content.decode()


def test_a_secret_left_empty_is_kept(admin: Client, provider: Provider) -> None:
    admin.post(change_url(provider), {**BASE, **CONFIG, "config:token": "", "weight": "55"})
    provider.refresh_from_db()
    assert provider.weight == 55
    assert provider.config["token"] == SECRET
    assert provider.config["headers"] == {"X-Key": SECRET}


def test_a_new_secret_takes_the_old_ones_place(admin: Client, provider: Provider) -> None:
    admin.post(change_url(provider), {**BASE, **CONFIG, "config:token": "another"})
    provider.refresh_from_db()
    assert provider.config["token"] == "another"


def test_a_secret_can_be_taken_away(admin: Client, provider: Provider) -> None:
    admin.post(change_url(provider), {**BASE, **CONFIG, "config:token": "", "forget:token": "on"})
    provider.refresh_from_db()
    assert "token" not in provider.config


def test_defaults_are_not_written_down(admin: Client, provider: Provider) -> None:
    admin.post(change_url(provider), {**BASE, **CONFIG, "config:connect_timeout_s": "", "config:method": ""})
    provider.refresh_from_db()
    assert set(provider.config) == {"url", "token", "headers"}


@pytest.mark.parametrize("stored", [{"receipts": True, "latency_ms": 5}, {"receipts": "instant", "journal": False}])
def test_saving_an_unchanged_form_changes_nothing_that_counts(admin: Client, stored: dict[str, Any]) -> None:
    provider = Provider.objects.create(name="play", channel="sms", adapter="sandbox", config=stored)
    answer = admin.get(change_url(provider))
    form = answer.context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    posted = {name: value for name, value in fields.items() if value not in (None, False, "")}
    posted |= {"config:journal": "False"} if stored.get("journal") is False else {}
    admin.post(change_url(provider), posted)
    provider.refresh_from_db()
    expected = {**stored, "receipts": "later" if stored["receipts"] is True else stored["receipts"]}
    assert provider.config == expected


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_providers_are_switched_on_and_off(admin: Client, provider: Provider, action: str) -> None:
    Provider.objects.update(enabled=action == "disable")
    form = {"action": action, ACTION_CHECKBOX_NAME: [str(provider.pk)]}
    html = admin.post(reverse("admin:channels_provider_changelist"), form, follow=True).content.decode()
    provider.refresh_from_db()
    assert provider.enabled is (action == "enable")
    assert ("no enabled provider now" in html) is (action == "disable")


def test_a_viewer_switches_and_changes_nothing(viewer: Client, provider: Provider) -> None:
    form = {"action": "disable", ACTION_CHECKBOX_NAME: [str(provider.pk)]}
    viewer.post(reverse("admin:channels_provider_changelist"), form)
    assert viewer.post(change_url(provider), {**BASE, **CONFIG, "weight": "1"}).status_code == 403
    assert add(viewer).status_code == 403
    assert viewer.get(reverse(ADD)).status_code == 403
    provider.refresh_from_db()
    assert (provider.enabled, provider.weight) == (True, 100)
