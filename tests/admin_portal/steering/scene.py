"""A small company for tests of manual degradation: two SMS providers, a fallback channel, and people who decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from admin_portal.models import AuditEntry, DegradationRequest
from admin_portal.steering import breaking, requests
from admin_portal.steering.actions import Action, Kind
from admin_portal.steering.approval import Severity
from admin_portal.steering.ledger import Terms
from channels.models import Channel, Provider
from tests.factories import now

ORIGIN = "192.0.2.7"
DISABLE_A = Action(kind=Kind.DISABLE_PROVIDER, target="provider:sms-a")
PAUSE_SMS = Action(kind=Kind.PAUSE, target="channel:sms")
SHED_SMS = Action(kind=Kind.SHED_BULK, target="channel:sms")


def set_up() -> None:
    """SMS by two providers, with the inbox to fall back on, and email."""
    Provider.objects.create(name="sms-a", channel="sms", adapter="sandbox", weight=70)
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox", weight=30)
    Provider.objects.create(name="inbox", channel="inapp", adapter="inapp")
    Provider.objects.create(name="esp-a", channel="email", adapter="sandbox")
    Channel.objects.create(name="sms", fallback=["inapp"])


def person(name: str, *permissions: str, email: str = "") -> User:
    """Somebody on the staff with these permissions of ours."""
    user = User.objects.create(username=name, is_staff=True, email=email)
    for codename in permissions:
        grant(user, codename)
    return user


def permission(codename: str) -> Permission:
    """One of ours."""
    return Permission.objects.get(content_type__app_label="admin_portal", codename=codename)


def grant(user: User, codename: str) -> None:
    """Lets ``user`` do one thing more."""
    user.user_permissions.add(permission(codename))


def operator(name: str = "wang") -> User:
    """May ask."""
    return person(name, "request_degradation", "view_degradationrequest")


def approver(name: str) -> User:
    """May say yes or no."""
    return person(name, "approve_degradation", "view_degradationrequest", email=f"{name}@example.com")


def breaker(name: str = "zhao") -> User:
    """May break the glass."""
    return person(name, "request_degradation", "break_glass", "view_degradationrequest")


def terms(action: Action = DISABLE_A, *, at: datetime | None = None, **values: Any) -> Terms:
    """What somebody asks for: for an hour from now, unless told otherwise."""
    begin = at or now()
    return Terms(
        **{
            "action": action,
            "reason": "sms-a loses every third message",
            "severity": Severity.MEDIUM,
            "ends_at": begin + timedelta(hours=1),
            **values,
        }
    )


def drafted(by: User, asked: Terms | None = None, *, at: datetime | None = None) -> DegradationRequest:
    """A draft."""
    return requests.draft(terms=asked or terms(), form_token=uuid4(), by=by, origin=ORIGIN, now=at or now())


def submitted(by: User, asked: Terms | None = None, *, at: datetime | None = None) -> DegradationRequest:
    """A request that was sent."""
    row = drafted(by, asked, at=at)
    return requests.submit(request_id=row.pk, version=row.version, by=by, origin=ORIGIN, now=at or now())


def approve(row: DegradationRequest, by: User, *, at: datetime | None = None) -> DegradationRequest:
    """Says yes to what ``row`` was when it was read."""
    return requests.approve(request_id=row.pk, version=row.version, by=by, origin=ORIGIN, now=at or now())


def break_glass(row: DegradationRequest, by: User, *, at: datetime | None = None) -> DegradationRequest:
    """Applies it at once."""
    return breaking.break_glass(
        request_id=row.pk, version=row.version, by=by, origin=ORIGIN, reason="customers get no codes", now=at or now()
    )


def fresh(row: DegradationRequest) -> DegradationRequest:
    """The request as it is stored."""
    return DegradationRequest.objects.get(pk=row.pk)


def audited() -> list[str]:
    """What the audit says was done to requests, in order."""
    entries = AuditEntry.objects.filter(action__startswith="degradation.").order_by("number")
    return [entry.action.removeprefix("degradation.") for entry in entries]


# --- pages ------------------------------------------------------------------------------------------------------------


def signed_in(user: User) -> Client:
    client = Client(enforce_csrf_checks=False)
    client.force_login(user)
    return client


def filled(**values: Any) -> dict[str, Any]:
    """The form as somebody fills it in."""
    return {
        "token": str(uuid4()),
        "kind": "disable_provider",
        "target": "provider:sms-a",
        "severity": "medium",
        "reason": "it loses every third message",
        "lasts": "60",
        "step": "preview",
        **values,
    }


def page_of(row: DegradationRequest) -> str:
    return reverse("admin:admin_portal_degradationrequest_change", args=(row.pk,))


def press(client: Client, row: DegradationRequest, verb: str, **values: Any) -> str:
    """What the page says after a button was pressed."""
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, verb))
    answer = client.post(url, {"version": row.version, **values}, follow=True)
    return answer.content.decode()
