"""The demo's accounts: logins and API keys. Made once; what can't be read back from the database is kept under
DATA_DIR, readable only by its owner."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.models import Group, User

from admin_portal.access.roles import RoleName
from notify import api_keys
from notify.models import Application

FILE: Final = "demo.json"
#: Who signs in to the demo, and in which role; none: a superuser.
PEOPLE: Final[Mapping[str, RoleName | None]] = {
    "admin": None,
    "administrator": RoleName.ADMINISTRATOR,
    "operator": RoleName.OPERATOR,
    "approver": RoleName.APPROVER,
    "approver2": RoleName.APPROVER,
    "auditor": RoleName.AUDITOR,
    "viewer": RoleName.VIEWER,
}
#: What is printed for a password that is not the one we made.
CHANGED: Final = "(changed)"
#: Whose key the printed curl command uses.
FIRST_APPLICATION: Final = "billing"


@dataclass(slots=True)
class Keepsake:
    """What the demo must remember in plain: ``passwords`` by user name, ``keys`` by application; ``applied``, which
    names the configuration that was loaded last; and ``placed``, who was given their role."""

    passwords: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    applied: str = ""
    placed: list[str] = field(default_factory=list)

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
            placed=list(data.get("placed", [])),
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


def make_logins(keepsake: Keepsake) -> list[Login]:
    """Somebody of each role, a second approver, and a superuser. A password that somebody changed meanwhile is left
    alone, and so is a role that was taken from them."""
    logins = []
    for username, role in PEOPLE.items():
        user = User.objects.filter(username=username).first()
        if user is None:
            password = keepsake.passwords.setdefault(username, secrets.token_urlsafe(9))
            user = User(username=username, is_staff=True, is_superuser=role is None)
            user.set_password(password)
            user.save()
            user.groups.set(Group.objects.filter(name=role))
        elif username not in keepsake.placed:  # made by a demo that knew no roles
            user.groups.add(*Group.objects.filter(name=role))
        keepsake.placed = sorted({*keepsake.placed, username})
        known = keepsake.passwords.get(username, "")
        shown = known if user.check_password(known) else CHANGED
        logins.append(Login(username, shown, "superuser" if role is None else role.lower()))
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
