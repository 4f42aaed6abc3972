"""Roles: made by migrating, given each permission once, and then the administrators'."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

from admin_portal.access import roles
from admin_portal.access.roles import PERMISSIONS, RoleName
from admin_portal.models import AuditEntry, Role

pytestmark = pytest.mark.django_db


def held(name: str) -> set[str]:
    rows = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def known() -> list[str]:
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    return [f"{label}.{codename}" for label, codename in rows]


def test_migrating_makes_a_group_of_each_role_with_its_permissions() -> None:
    for name, patterns in PERMISSIONS.items():
        assert held(name) == set(roles.matching(patterns, known())), name


@pytest.mark.parametrize(("name", "pattern"), [(name, one) for name, each in PERMISSIONS.items() for one in each])
def test_each_line_of_the_table_means_a_permission_that_there_is(name: str, pattern: str) -> None:
    assert roles.matching([pattern], known()), name


def test_no_role_sees_personal_data() -> None:
    assert not [name for name in RoleName if "admin_portal.view_personal_data" in held(name)]


def test_only_those_who_must_read_the_audit_read_it() -> None:
    readers = {name for name in RoleName if "admin_portal.view_auditentry" in held(name)}
    assert readers == {RoleName.ADMINISTRATOR, RoleName.AUDITOR}


def test_who_approves_configures_nothing() -> None:
    assert "channels.change_provider" not in held("Approver")
    assert "admin_portal.approve_degradation" not in held("Administrator") | held("Operator")


def test_what_was_taken_from_a_role_stays_taken() -> None:
    Group.objects.get(name="Operator").permissions.remove(Permission.objects.get(codename="add_template"))
    call_command("migrate", verbosity=0)
    assert "notify.add_template" not in held("Operator")


def test_what_was_given_to_a_role_besides_stays_given() -> None:
    Group.objects.get(name="Viewer").permissions.add(Permission.objects.get(codename="change_batch"))
    call_command("migrate", verbosity=0)
    assert "notify.change_batch" in held("Viewer")


def test_a_group_that_was_deleted_does_not_come_back() -> None:
    Group.objects.get(name="Auditor").delete()
    call_command("migrate", verbosity=0)
    assert not Group.objects.filter(name="Auditor").exists()


def test_a_group_may_be_renamed() -> None:
    Group.objects.filter(name="Viewer").update(name="Guests")
    call_command("migrate", verbosity=0)
    assert not Group.objects.filter(name="Viewer").exists()


def test_a_later_version_brings_its_own_permissions() -> None:
    kind = ContentType.objects.get(app_label="notify", model="batch")
    Permission.objects.create(content_type=kind, codename="view_something_new", name="Can view something new")
    roles.furnish()
    assert all("notify.view_something_new" in held(name) for name in RoleName)


def test_furnishing_again_changes_nothing_and_is_no_entry_of_the_audit() -> None:
    before, entries = {name: held(name) for name in RoleName}, AuditEntry.objects.count()
    roles.furnish()
    assert {name: held(name) for name in RoleName} == before
    assert AuditEntry.objects.count() == entries


def test_a_live_system_with_a_group_of_that_name_keeps_it() -> None:
    Role.objects.all().delete()
    Group.objects.all().delete()
    group = Group.objects.create(name="Operator")
    group.permissions.add(Permission.objects.get(codename="change_batch"))
    roles.furnish()
    assert Group.objects.get(name="Operator").pk == group.pk
    assert {"notify.change_batch", "admin_portal.request_degradation"} <= held("Operator")
