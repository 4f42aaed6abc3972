"""Applications, their keys and their signing secret."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from notify import api_keys
from notify.models import ApiKey, Application
from tests import factories

KEY = re.compile(r"gt_(?:live|test)_[\w-]{40,}")
FORM = {"name": "till", "scopes": ["send", "read"], "allowed_ips": "10.0.0.0/8, 192.0.2.7"}


def new_key_url(application: Application) -> str:
    return reverse("admin:notify_application_new_key", args=(application.pk,))


def test_a_new_key_is_shown_once_and_works(admin: Client) -> None:
    application = factories.make_application()
    answer = admin.post(new_key_url(application), FORM)
    found = KEY.search(answer.content.decode())
    assert found is not None
    key = api_keys.find(found[0])
    assert key is not None
    assert key.application_id == application.pk
    assert key.allowed_ips == ["10.0.0.0/8", "192.0.2.7/32"]
    assert "no-store" in answer["Cache-Control"]


def test_the_plain_key_is_kept_nowhere(admin: Client) -> None:
    application = factories.make_application()
    plain = KEY.search(admin.post(new_key_url(application), FORM).content.decode())
    assert plain is not None
    pages = [
        new_key_url(application),
        reverse("admin:notify_application_change", args=(application.pk,)),
        reverse("admin:notify_application_history", args=(application.pk,)),
        reverse("admin:notify_apikey_changelist"),
        reverse("admin:notify_apikey_change", args=(application.keys.get().pk,)),
        reverse("admin:index"),
    ]
    for page in pages:
        assert plain[0] not in admin.get(page).content.decode()
    assert all(plain[0] not in str(session.get_decoded()) for session in Session.objects.all())
    assert plain[0] not in str(ApiKey.objects.values().get())


@pytest.mark.parametrize(
    "fault",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"allowed_ips": "not-an-ip"},
        {"expires_at_0": "2001-01-01", "expires_at_1": "00:00"},
    ],
)
def test_a_faulty_form_makes_no_key(admin: Client, fault: dict[str, object]) -> None:
    application = factories.make_application()
    answer = admin.post(new_key_url(application), {**FORM, **fault})
    assert answer.status_code == 200
    assert not ApiKey.objects.exists()


def test_nobody_makes_a_key_without_the_permission(viewer: Client, sign_in: Callable[..., Client]) -> None:
    application = factories.make_application()
    changer = sign_in("notify.view_application", "notify.change_application")
    for client in (viewer, changer):
        assert client.get(new_key_url(application)).status_code == 403
        assert client.post(new_key_url(application), FORM).status_code == 403
    assert not ApiKey.objects.exists()


def test_a_revoked_key_opens_nothing(admin: Client) -> None:
    application = factories.make_application()
    plain = factories.make_key(application)
    url = reverse("admin:notify_apikey_revoke", args=(application.keys.get().pk,))
    assert "Revoke" in admin.get(url).content.decode()
    assert api_keys.find(plain).revoked_at is None  # type: ignore[union-attr]
    admin.post(url)
    assert api_keys.find(plain).revoked_at is not None  # type: ignore[union-attr]


def test_nobody_revokes_without_the_permission(viewer: Client) -> None:
    application = factories.make_application()
    factories.make_key(application)
    key = application.keys.get()
    assert viewer.post(reverse("admin:notify_apikey_revoke", args=(key.pk,))).status_code == 403
    assert "Revoke" not in viewer.get(reverse("admin:notify_apikey_change", args=(key.pk,))).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None


def test_the_new_signing_secret_is_shown_once(admin: Client) -> None:
    application = factories.make_application()
    url = reverse("admin:notify_application_rotate_signing_secret", args=(application.pk,))
    admin.get(url)
    application.refresh_from_db()
    assert application.signing_secret is None
    html = admin.post(url).content.decode()
    application.refresh_from_db()
    assert application.signing_secret.startswith("whsec_")
    assert application.signing_secret in html
    page = admin.get(reverse("admin:notify_application_change", args=(application.pk,))).content.decode()
    assert "whsec_" not in page


def test_a_viewer_does_not_change_the_signing_secret(viewer: Client) -> None:
    application = factories.make_application()
    url = reverse("admin:notify_application_rotate_signing_secret", args=(application.pk,))
    assert viewer.post(url).status_code == 403
    application.refresh_from_db()
    assert application.signing_secret is None


def test_an_application_is_made_and_changed(admin: Client) -> None:
    form = {"name": "shop", "tier": "vip", "channels": "email, sms", "rate_limit": "500/s", "is_active": "on"}
    inline = {"keys-TOTAL_FORMS": "0", "keys-INITIAL_FORMS": "0"}
    admin.post(reverse("admin:notify_application_add"), {**form, **inline})
    shop = Application.objects.get(name="shop")
    assert shop.channels == ["email", "sms"]
    url = reverse("admin:notify_application_change", args=(shop.pk,))
    admin.post(url, {**form, **inline, "allowed_ips": "10.0.0.0/8", "daily_quota": "1000"})
    shop.refresh_from_db()
    assert (shop.allowed_ips, shop.daily_quota) == (["10.0.0.0/8"], 1000)


@pytest.mark.parametrize("fault", [{"channels": "email, pigeon"}, {"rate_limit": "fast"}, {"name": "No Spaces"}])
def test_a_faulty_application_is_refused(admin: Client, fault: dict[str, str]) -> None:
    form = {"name": "shop", "tier": "vip", "keys-TOTAL_FORMS": "0", "keys-INITIAL_FORMS": "0"}
    assert admin.post(reverse("admin:notify_application_add"), {**form, **fault}).status_code == 200
    assert not Application.objects.exists()


def test_a_viewer_changes_no_application(viewer: Client) -> None:
    application = factories.make_application()
    url = reverse("admin:notify_application_change", args=(application.pk,))
    assert viewer.post(url, {"name": "forged", "tier": "vip"}).status_code == 403
    assert viewer.post(reverse("admin:notify_application_add"), {"name": "forged", "tier": "vip"}).status_code == 403
    assert not Application.objects.filter(name="forged").exists()
