"""Users and groups: nobody hands out rights that are not theirs to give."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

MANAGER = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user", "auth.change_group")
PASSWORD = "a-long-pass-phrase-7"


def user_url(user: User, view: str = "change") -> str:
    return reverse(f"admin:auth_user_{view}", args=(user.pk,))


def test_a_superuser_makes_a_user_with_rights(admin: Client) -> None:
    form = {"username": "new", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    admin.post(reverse("admin:auth_user_add"), form)
    made = User.objects.get(username="new")
    fields = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    admin.post(user_url(made), {"username": "new", "is_staff": "on", "is_active": "on", **fields})
    made.refresh_from_db()
    assert made.is_staff
    assert made.check_password(PASSWORD)


def test_who_may_edit_users_can_not_promote_anybody(sign_in: Callable[..., Client]) -> None:
    client = sign_in(*MANAGER)
    other = User.objects.create(username="other", is_active=True)
    fields = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_active": "on", "first_name": "Ada"}
    client.post(user_url(other), {"username": "other", "is_superuser": "on", "is_staff": "on", **fields})
    other.refresh_from_db()
    assert other.first_name == "Ada"
    assert not other.is_superuser
    assert not other.is_staff


def test_who_may_edit_users_can_not_take_a_superusers_place(sign_in: Callable[..., Client]) -> None:
    client = sign_in(*MANAGER)
    boss = User.objects.create(username="boss", is_superuser=True, is_staff=True)
    form = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("admin:auth_user_password_change", args=(boss.pk,)), form).status_code == 403
    client.post(user_url(boss, "delete"), {"post": "yes"})
    boss.refresh_from_db()
    assert not boss.check_password(PASSWORD)


def test_who_may_edit_groups_but_is_no_superuser_changes_none(sign_in: Callable[..., Client]) -> None:
    group = Group.objects.create(name="them")
    url = reverse("admin:auth_group_change", args=(group.pk,))
    assert sign_in(*MANAGER).post(url, {"name": "us"}).status_code == 403
