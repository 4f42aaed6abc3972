"""People with different rights, signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from admin_portal.board import queries as board_queries
from monitoring.health import doctor
from monitoring.readings import reader

SignIn = Callable[..., Client]


@pytest.fixture(autouse=True, scope="session")
def _static_root() -> None:
    # WhiteNoise warns of a missing folder, and warnings are errors here. A stack makes it when it starts.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _fresh_board() -> Iterator[None]:
    """Nothing is remembered, and nobody is in the database any more when its tables are emptied."""
    board_queries.forget()
    yield
    doctor.stop()
    reader.stop()


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """A client signed in as staff with the permissions named (``notify.view_batch``), or as a superuser."""

    def sign_in(*permissions: str, superuser: bool = False) -> Client:
        user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True, is_superuser=superuser)
        for name in permissions:
            label, _, codename = name.partition(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def admin(sign_in: SignIn) -> Client:
    """May do everything."""
    return sign_in(superuser=True)


@pytest.fixture
def viewer(db: None) -> Client:
    """May look at everything that is not personal, and touch nothing: the role of viewers."""
    user = User.objects.create(username="viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="Viewer"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(db: None) -> Client:
    """A viewer who may also act: the role of operators."""
    user = User.objects.create(username="operator", is_staff=True)
    user.groups.add(Group.objects.get(name="Operator"))
    client = Client()
    client.force_login(user)
    return client
