"""Whatever changes something is written down, by whom, with what it was before, and never with a secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from admin_portal.models import AuditEntry
from channels.acting import Actor, acting
from channels.degradation import pins
from channels.models import Provider
from channels.signals import changed
from notify import api_keys, configuration, dead_letters, held, templating
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def last(action: str) -> AuditEntry:
    entry = AuditEntry.objects.filter(action=action).first()
    assert entry is not None, list(AuditEntry.objects.values_list("action", "target"))
    return entry


def provider() -> Provider:
    config = {"host": "mx.example", "port": 25, "username": "us", "password": "hunter2", "from_email": "a@b.example"}
    return Provider.objects.create(name="smtp-a", channel="email", adapter="smtp", config=config)


def test_a_change_of_a_provider_has_the_fields_that_differ_and_no_others() -> None:
    one = provider()
    one.weight = 10
    one.save()
    entry = last("provider.changed")
    assert (entry.target, entry.before, entry.after) == ("provider:smtp-a", {"weight": 100}, {"weight": 10})


def test_a_save_that_changes_nothing_leaves_no_entry() -> None:
    one = provider()
    one.save()
    assert not AuditEntry.objects.filter(action="provider.changed").exists()


def test_a_providers_secret_is_never_written_down() -> None:
    one = provider()
    one.config = {**one.config, "password": "correct horse"}
    one.save()
    entry = last("provider.changed")
    assert (entry.before, entry.after) == ({"config.password": "•••"}, {"config.password": "••• (new)"})
    assert "hunter2" not in str(list(AuditEntry.objects.values()))


def test_a_removed_provider_leaves_what_it_was() -> None:
    one = provider()
    one.delete()
    entry = last("provider.deleted")
    assert entry.before is not None
    assert entry.before["config.host"] == "mx.example"
    assert entry.after is None


def test_a_page_of_the_admin_says_who_and_from_where(admin: Client) -> None:
    one = provider()
    data = {"action": "disable", "_selected_action": [str(one.pk)]}
    admin.post(reverse("admin:channels_provider_changelist"), data, REMOTE_ADDR="192.0.2.7")
    entry = last("provider.changed")
    assert (entry.after, entry.origin) == ({"enabled": False}, "192.0.2.7")
    assert entry.actor == User.objects.get(is_superuser=True).username
    assert entry.request_id


def test_a_new_password_is_a_change_without_a_value() -> None:
    user = User.objects.create_user("li", password="one-good-password")
    user.set_password("another-good-password")
    user.save()
    entry = last("user.changed")
    assert (entry.before, entry.after) == ({"password": "•••"}, {"password": "••• (new)"})


def test_who_is_given_a_group_and_a_group_a_permission_is_written_down() -> None:
    user, group = User.objects.create(username="li"), Group.objects.create(name="night")
    user.groups.add(group)
    assert (last("user.groups_added").target, last("user.groups_added").after) == ("user:li", {"groups": ["night"]})
    group.user_set.remove(user)
    assert last("user.groups_removed").target == "user:li"
    group.permissions.add(Permission.objects.get(codename="view_batch"))
    assert last("group.permissions_added").after == {"permissions": ["notify.view_batch"]}
    group.permissions.clear()
    assert last("group.permissions_removed").before == {"permissions": ["notify.view_batch"]}


def test_keys_are_written_down_when_made_and_when_revoked() -> None:
    key, plain = api_keys.create(application=factories.make_application(name="shop"), name="web")
    api_keys.revoke(key=key, now=NOW)
    assert last("key.created").target == last("key.revoked").target == f"key:{key.prefix}"
    assert plain not in str(list(AuditEntry.objects.values()))


def test_revoking_a_key_twice_is_one_change() -> None:
    key, _plain = api_keys.create(application=factories.make_application(name="shop"))
    api_keys.revoke(key=key, now=NOW)
    api_keys.revoke(key=key, now=NOW)
    assert AuditEntry.objects.filter(action="key.revoked").count() == 1


def publish(text: str, author: str = "li") -> None:
    templating.publish(
        application=None,
        key="otp",
        category="",
        contents={"sms": {"en": {"text": text}}},
        default_locale="en",
        author=author,
        now=NOW,
    )


def test_a_template_has_the_words_before_and_after() -> None:
    publish("one")
    publish("two", author="wang")
    entry = last("template.published")
    assert (entry.actor, entry.target) == ("wang", "template:otp")
    assert (entry.before, entry.after) == ({"version": 1, "sms/en.text": "one"}, {"version": 2, "sms/en.text": "two"})


def test_dead_letters_replayed_are_one_entry_with_their_number() -> None:
    notification = factories.make_notification(factories.make_application())
    for _ in range(2):
        factories.make_dead_letter(factories.make_delivery(notification, "dead", error_code="unavailable"))
    dead_letters.discard(actor="shop/web", now=timezone.now())
    entry = last("dead_letters.discarded")
    assert entry.actor == "shop/web"
    assert entry.after is not None
    assert entry.after["count"] == 2


def test_held_messages_decided_on_are_one_entry() -> None:
    notification = factories.make_notification(factories.make_application())
    ids = [factories.make_delivery(notification, "held").id for _ in range(2)]
    held.resend(ids=ids, actor="li", now=timezone.now())
    entry = last("held.resent")
    assert (entry.actor, entry.after) == ("li", {"count": 2})


def test_a_pin_is_written_down_when_put_and_when_ended() -> None:
    now = timezone.now()
    channel = {"action": "shed_bulk", "channel": "email", "reason": "maintenance", "author": "li"}
    pin = pins.put(**channel, starts_at=now, ends_at=now + timedelta(hours=1), now=now)
    with acting(Actor(name="wang", origin="192.0.2.3")):
        assert pins.end(pin_id=pin.id, now=now)
        pins.end(pin_id=pin.id, now=now)
    put, ended = last("pin.put"), AuditEntry.objects.get(action="pin.ended")
    assert (put.actor, put.reason, put.target) == ("li", "maintenance", f"pin:{pin.id}")
    assert (ended.actor, ended.origin, ended.target) == ("wang", "192.0.2.3", f"pin:{pin.id}")


def test_what_a_key_does_through_the_api_has_its_name_and_address() -> None:
    application = factories.make_application(name="shop")
    body = {"key": "hello", "contents": {"sms": {"en": {"text": "Hi"}}}}
    answer = factories.make_client(application).post(
        "/api/v1/templates", body, content_type="application/json", REMOTE_ADDR="192.0.2.4"
    )
    assert answer.status_code == 201, answer.content
    entry = last("template.published")
    assert entry.actor.startswith("shop/")
    assert (entry.origin, entry.target) == ("192.0.2.4", "template:shop/hello")
    assert entry.request_id == answer["X-Request-ID"]


def test_a_change_that_can_not_be_written_down_is_not_made() -> None:
    key, _plain = api_keys.create(application=factories.make_application())

    def refuse(**_kwargs: object) -> None:
        raise DatabaseError("the audit is full")

    changed.connect(refuse)
    try:
        with pytest.raises(DatabaseError), transaction.atomic():
            api_keys.revoke(key=key, now=NOW)
    finally:
        changed.disconnect(refuse)
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_file_that_is_applied_is_written_down_row_by_row() -> None:
    text = "applications:\n  - name: hr\n    tier: vip\n"
    with acting(Actor(name="command:apply_config")):
        configuration.apply(configuration.load(text, environ={}), now=NOW)
    entry = last("application.created")
    assert (entry.actor, entry.target) == ("command:apply_config", "application:hr")


def test_a_dry_run_leaves_no_entry() -> None:
    configuration.apply(configuration.load("applications:\n  - name: hr\n", environ={}), now=NOW, dry_run=True)
    assert not AuditEntry.objects.filter(action="application.created").exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_line_says_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import manage

    file = tmp_path / "one.yaml"
    file.write_text("applications:\n  - name: hr\n")
    monkeypatch.setattr("sys.argv", ["manage.py", "apply_config", str(file)])
    manage.main()
    assert last("application.created").actor == "command:apply_config"
