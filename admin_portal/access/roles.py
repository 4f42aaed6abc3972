"""The roles: groups with permissions, made and furnished after every ``migrate``, when all permissions are there.

Each permission is given to a role once. What administrators change afterwards is theirs: what they took away is not
given again, and what a later version of the product brings (a page, a model) is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models.signals import post_migrate

from admin_portal.models import Role
from channels.acting import Actor, acting


class RoleName(StrEnum):
    """What the groups are called."""

    VIEWER = "Viewer"
    OPERATOR = "Operator"
    APPROVER = "Approver"
    ADMINISTRATOR = "Administrator"
    AUDITOR = "Auditor"


#: What no role gets by a pattern, only by its whole name.
_BY_NAME_ONLY: Final = frozenset({"admin_portal.view_personal_data", "admin_portal.view_auditentry"})
_LOOK: Final = ("notify.view_*", "channels.view_*", "admin_portal.view_*")
_AUDIT: Final = ("admin_portal.view_auditentry",)
#: Permissions as ``app.codename``; ``*`` stands for anything. A line for each new permission that is not to look.
PERMISSIONS: Final[Mapping[RoleName, Sequence[str]]] = {
    RoleName.VIEWER: _LOOK,
    RoleName.OPERATOR: (
        *_LOOK,
        "admin_portal.request_degradation",
        "admin_portal.run_plan",
        "admin_portal.run_drill",
        "admin_portal.resolve_held",
        "notify.change_deadletter",
        "notify.add_template",
        "notify.change_template",
    ),
    RoleName.APPROVER: (
        *_LOOK,
        "admin_portal.request_degradation",
        "admin_portal.approve_degradation",
        "admin_portal.break_glass",
        "admin_portal.run_plan",
    ),
    RoleName.ADMINISTRATOR: (
        *_LOOK,
        *_AUDIT,
        "admin_portal.request_degradation",
        "admin_portal.edit_plan",
        "admin_portal.run_plan",
        "admin_portal.run_drill",
        "admin_portal.resolve_held",
        "notify.change_deadletter",
        "notify.*_template",
        "notify.*_application",
        "notify.*_apikey",
        "channels.*_channel",
        "channels.*_provider",
        "channels.*_policy",
        "admin_portal.*_approvalrule",
        "admin_portal.*_approvalrule",
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "axes.view_accessattempt",
        "axes.delete_accessattempt",
    ),
    RoleName.AUDITOR: (*_LOOK, *_AUDIT, "admin_portal.export_audit", "auth.view_user", "auth.view_group"),
}


def connect() -> None:
    """From now on, every ``migrate`` ends with this."""
    post_migrate.connect(
        _after_migrate, sender=apps.get_app_config("admin_portal"), dispatch_uid="access.roles.after_migrate"
    )


def _after_migrate(sender: AppConfig, apps: Any = apps, **_kwargs: Any) -> None:
    try:
        apps.get_model("admin_portal", "Role")
    except LookupError:  # migrated back to before there were roles
        return
    with transaction.atomic(), acting(Actor(name="command:migrate")):
        furnish()


def furnish() -> None:
    """Makes the groups that were never made, and gives each what it was never given. Idempotent."""
    names = dict(_known())
    for role_name, patterns in PERMISSIONS.items():
        # Whoever migrates beside us waits here: a role is furnished by one at a time.
        Role.objects.bulk_create([Role(name=role_name)], ignore_conflicts=True)
        role = Role.objects.select_for_update().get(name=role_name)
        if role.group is None and not role.given:
            role.group, _made = Group.objects.get_or_create(name=role_name.value)
        new = sorted(set(matching(patterns, names)) - set(role.given))
        if role.group is None or not new:
            continue
        role.group.permissions.add(*(names[permission] for permission in new))
        role.given = sorted({*role.given, *new})
        role.save()


def matching(patterns: Sequence[str], permissions: Iterable[str]) -> list[str]:
    """Those of ``permissions`` that one of ``patterns`` means."""
    return [
        permission
        for permission in permissions
        if permission in patterns
        or (permission not in _BY_NAME_ONLY and any(fnmatchcase(permission, pattern) for pattern in patterns))
    ]


def _known() -> list[tuple[str, int]]:
    rows = Permission.objects.values_list("content_type__app_label", "codename", "pk")
    return [(f"{app_label}.{codename}", pk) for app_label, codename, pk in rows]
