"""How tests with transactions of their own leave the database."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User

from tests.emptying import Tables

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_full_is_emptied_and_the_roles_stay_the_same_rows() -> None:
    tables = Tables()
    User.objects.create(username="ann")
    roles = set(Group.objects.values_list("pk", "name"))

    assert tables.empty()

    assert not User.objects.exists()
    assert set(Group.objects.values_list("pk", "name")) == roles
    assert roles


def test_where_a_role_has_gone_nothing_is_emptied_and_it_is_said() -> None:
    tables = Tables()
    User.objects.create(username="ann")
    Group.objects.filter(name="Approver").delete()

    assert not tables.empty()

    assert User.objects.exists()
