"""The demo's accounts: logins, groups and API keys. Made once; what can't be read back from the database is kept under
DATA_DIR, readable only by its owner."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q

from notify import api_keys
from notify.models import Application

FILE: Final = "demo.json"
VIEWERS: Final = "Viewers"
OPERATORS: Final = "Operators"
#: What operators may do besides looking.
OPERATOR_PERMISSIONS: Final = ("change_deadletter", "change_template", "add_template", "change_provider")
#: What is printed for a password that is not the one we made.
CHANGED: Final = "(changed)"
#: Whose key the printed curl command uses.
FIRST_APPLICATION: Final = "billing"


@dataclass(slots=True)
class Keepsake:
    """What the demo must remember in plain: ``passwords`` by user name, ``keys`` by application; and ``applied``, which
    names the configuration that was loaded last."""

    passwords: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    applied: str = ""

    @classmethod
    def read(cls, data_dir: Path) -> Keepsake:
        """What an earlier start kept in ``data_dir``; nothing when it is the first."""
        try:
            data: dict[str, Any] = json.loads((data_dir / FILE).read_text())
        except FileNotFoundError:
            return cls()
        return cls(
            passwords=dict(data.get("passwords", {})),
            keys=dict(data.get("keys", {})),
            applied=str(data.get("applied", "")),
        )

    def write(self, data_dir: Path) -> None:
        """Keeps it, whole or not at all."""
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"{FILE}.{os.getpid()}.tmp"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=1)
        draft.replace(data_dir / FILE)


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who can sign in."""

    username: str
    password: str
    role: str


def is_loaded() -> bool:
    """Whether the demo's applications are there."""
    return Application.objects.filter(name=FIRST_APPLICATION).exists()


def make_groups() -> dict[str, Group]:
    """The groups of people who look and of people who also act, with their permissions. Idempotent."""
    looking = Permission.objects.filter(codename__startswith="view_").exclude(codename="view_personal_data")
    looking = looking.filter(content_type__app_label__in=("notify", "channels"))
    acting = Permission.objects.filter(
        Q(codename__in=OPERATOR_PERMISSIONS, content_type__app_label__in=("notify", "channels"))
    )
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in (VIEWERS, OPERATORS)}
    groups[VIEWERS].permissions.set(looking)
    groups[OPERATORS].permissions.set([*looking, *acting])
    return groups


def make_logins(keepsake: Keepsake) -> list[Login]:
    """An administrator, an operator and a viewer. A password that somebody changed meanwhile is left alone."""
    groups = make_groups()
    logins = []
    for username, role, group in (
        ("admin", "admin", None),
        ("operator", "operator", groups[OPERATORS]),
        ("viewer", "viewer", groups[VIEWERS]),
    ):
        user = User.objects.filter(username=username).first()
        if user is None:
            password = keepsake.passwords.setdefault(username, secrets.token_urlsafe(9))
            user = User(username=username, is_staff=True, is_superuser=group is None)
            user.set_password(password)
            user.save()
        if group is not None:
            user.groups.add(group)
        known = keepsake.passwords.get(username, "")
        logins.append(Login(username, known if user.check_password(known) else CHANGED, role))
    return logins


def make_keys(keepsake: Keepsake) -> dict[str, str]:
    """A working API key for each application of the demo, by its name."""
    for application in Application.objects.order_by("id"):
        known = keepsake.keys.get(application.name)
        if known and _works(known, application):
            continue
        _key, plain = api_keys.create(
            application=application,
            scopes=list(api_keys.DEFAULT_SCOPES),
            is_test=False,
            name="demo",
            expires_at=None,
            allowed_ips=[],
        )
        keepsake.keys[application.name] = plain
    return keepsake.keys


def _works(plain: str, application: Application) -> bool:
    key = api_keys.find(plain)
    return key is not None and key.revoked_at is None and key.application_id == application.pk
