"""Every page, every action, as every role, by hand-made URL and forged POST: the matrix holds (``matrix.py``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from django.views.generic import RedirectView

from admin_portal import audit
from admin_portal.drills.terms import Terms
from admin_portal.models import ApprovalRule, DegradationRequest, DeskJob, Drill, DrillRun, Plan, PlanRun, PlanVersion
from channels.models import Channel, Policy, Provider
from channels.names import FaultKind
from notify import api_keys
from tests import factories
from tests.admin_portal import matrix

NOW: Final = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROLES: Final = {
    "N": None,
    "V": "Viewer",
    "O": "Operator",
    "P": "Approver",
    "A": "Administrator",
    "U": "Auditor",
}


# --- something to look at ---------------------------------------------------------------------------------------------


def _delivery(status: str) -> Any:
    notification = factories.make_notification(factories.make_application())
    return factories.make_delivery(notification, status, error_code="unavailable")


def _application() -> Any:
    return factories.make_application()


def _key() -> Any:
    key, _plain = api_keys.create(application=factories.make_application())
    return key


def _request() -> Any:
    now = timezone.now()
    return DegradationRequest.objects.create(
        form_token=uuid4(),
        kind="pause",
        target="channel:sms",
        reason="maintenance",
        severity="low",
        ends_at=now + timedelta(hours=1),
        requested_by=User.objects.get(username="role-O"),
        created_at=now,
    )


def _plan() -> Any:
    now, steps = timezone.now(), [{"kind": "ask", "words": "Is it well?"}]
    plan = Plan.objects.create(name="slow-sms", title="SMS is slow", owner="li", created_at=now)
    PlanVersion.objects.create(plan=plan, number=1, source="- ask: x", steps=steps, author="li", created_at=now)
    return plan


def _run() -> Any:
    plan, now = _plan(), timezone.now()
    return PlanRun.objects.create(
        form_token=uuid4(),
        plan=plan,
        version=plan.versions.get(),
        reason="it is slow",
        severity="low",
        lasts_s=3600,
        approvals_needed=1,
        requested_by=User.objects.get(username="role-O"),
        requested_at=now,
        approve_by=now + timedelta(hours=1),
    )


def _job() -> Any:
    return DeskJob.objects.create(
        id=uuid4(), kind="replay", criteria={}, before=NOW, author="li", total=1, created_at=NOW
    )


def _drill() -> Any:
    terms = Terms(channel="sms", fault=FaultKind.ERRORS).as_json()
    author = User.objects.get(username="role-O")
    return Drill.objects.create(
        name="d", title="D", owner="li", terms=terms, author=author, created_at=NOW, changed_at=NOW
    )


def _drill_run() -> Any:
    drill = _drill()
    return DrillRun.objects.create(
        form_token=uuid4(), drill=drill, terms=drill.terms, started_by="li", asked_at=timezone.now()
    )


#: An object of each model with pages, by ``{app}_{model}``.
OBJECTS: Final[Mapping[str, Callable[[], Any]]] = {
    "notify_notification": lambda: factories.make_notification(factories.make_application()),
    "notify_batch": lambda: factories.make_batch(factories.make_application()),
    "notify_deadletter": lambda: factories.make_dead_letter(_delivery("dead")),
    "notify_template": lambda: factories.make_template("greeting").template,
    "notify_application": _application,
    "notify_apikey": _key,
    "channels_channel": lambda: Channel.objects.create(name="email"),
    "channels_provider": lambda: Provider.objects.create(name="a", channel="email", adapter="sandbox", config={}),
    "channels_policy": lambda: Policy.objects.create(target="channel:email", rules={}),
    "auth_user": lambda: User.objects.create(username="somebody"),
    "auth_group": lambda: Group.objects.create(name="something"),
    "axes_accessattempt": lambda: AccessAttempt.objects.create(username="li", failures_since_start=5),
    "admin_portal_auditentry": lambda: audit.record(actor="li", action="x", target="y", now=NOW),
    "admin_portal_helddelivery": lambda: _delivery("held"),
    "admin_portal_deskjob": _job,
    "admin_portal_degradationrequest": _request,
    "admin_portal_plan": _plan,
    "admin_portal_planrun": _run,
    "admin_portal_drill": _drill,
    "admin_portal_drillrun": _drill_run,
    "admin_portal_approvalrule": lambda: ApprovalRule.objects.create(severity="low", kind="pause", approvals=1),
}
#: What stands in the URLs of pages that are not about one object; ``pk``: an object of the model in the URL's name.
ARGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "admin:app_list": {"app_label": "notify"},
    "admin:view_on_site": {"content_type_id": 1, "object_id": 1},
    "admin:admin_portal_auditentry_export": {"kind": "csv"},
    "admin:admin_portal_degradationrequest_do": {"verb": "approve"},
    "admin:admin_portal_plan_version": {"number": 1},
    "admin:admin_portal_planrun_do": {"verb": "approve"},
}


# --- who asks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def people(db: None) -> dict[str, Client]:
    """A browser for each role, and one (``-``) where nobody is signed in."""
    groups = {group.name: group for group in Group.objects.all()}
    users = [User(username=f"role-{letter}", is_staff=True, is_superuser=letter == "S") for letter in [*ROLES, "S"]]
    User.objects.bulk_create(users)
    members = [
        User.groups.through(user=user, group=groups[str(role)])
        for user, role in zip(users, ROLES.values(), strict=False)
        if role is not None
    ]
    User.groups.through.objects.bulk_create(members)
    found = {"-": Client()}
    for user in users:
        found[user.username[-1]] = client = Client()
        client.force_login(user)
    return found


def is_served(answer: HttpResponse) -> bool:
    """Whether this is the page, and no refusal."""
    if answer.status_code in (301, 302):
        return not str(answer.headers["Location"]).startswith(reverse("admin:login"))
    return answer.status_code < 400


def served(people: Mapping[str, Client], ask: Callable[[Client], HttpResponse]) -> str:
    """The letters of those who are served, each as if the others had not been there."""
    letters = ""
    for letter, client in people.items():
        with transaction.atomic():
            letters += letter if is_served(ask(client)) else ""
            transaction.set_rollback(True)
    return letters


# --- what there is ----------------------------------------------------------------------------------------------------


def _walk(patterns: Any, prefix: str = "", spaces: tuple[str, ...] = ()) -> Iterator[tuple[str, str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _walk(pattern.url_patterns, route, inner)
        else:
            yield ":".join((*spaces, pattern.name or "")), route, pattern


def pages() -> dict[str, URLPattern]:
    """Every page under /admin/, by the name of its URL. Of those without a name there are two kinds: the old addresses
    of change pages, which only lead on, and what catches all that is no page."""
    found = {}
    for name, route, pattern in _walk(get_resolver().url_patterns):
        view = getattr(pattern.callback, "view_class", None)
        if route.startswith("admin/") and view is not RedirectView and route != "admin/(?P<url>.*)$":
            found[name] = pattern
    return found


def actions() -> set[str]:
    """Every action of a list, as ``{app}_{model}!{action}``."""
    found = set()
    for model, model_admin in admin.site._registry.items():
        names = {name for _function, name, _description in model_admin._get_base_actions()}
        if model_admin.actions is None:
            continue
        may_delete = model._meta.label_lower.replace(".", "_") in {n for n, m in matrix.MODELS.items() if m.delete}
        names = {name for name in names if name != "delete_selected" or may_delete}
        found |= {f"{model._meta.app_label}_{model._meta.model_name}!{name}" for name in names}
    return found


def test_every_page_has_a_line_and_every_line_a_page() -> None:
    assert set(pages()) == set(matrix.lines())


def test_every_action_has_a_line_and_every_line_an_action() -> None:
    assert actions() == set(matrix.ACTIONS)


def test_every_page_has_a_name() -> None:
    assert all(name and not name.endswith(":") for name in pages())


# --- the matrix -------------------------------------------------------------------------------------------------------


def url_of(name: str) -> str:
    """The address of a page, with something real in it."""
    names = list(pages()[name].pattern.converters)
    given = dict(ARGS.get(name, {}))
    missing = [each for each in names if each not in given]
    if missing:
        model = max((each for each in OBJECTS if name.startswith(f"admin:{each}_")), key=len)
        given[missing[0]] = OBJECTS[model]().pk
    elif name.startswith("admin:"):
        for model, make in OBJECTS.items():
            if name == f"admin:{model}_changelist":
                make()
    return reverse(name, kwargs=given)


def in_order(letters: str) -> str:
    return "".join(letter for letter in "-NVOPAUS" if letter in letters)


@pytest.mark.parametrize("name", [*matrix.lines(), *matrix.ACTIONS])
def test_who_is_served(people: Mapping[str, Client], name: str) -> None:
    if name in matrix.ACTIONS:
        model, _mark, action = name.partition("!")
        form = {"action": action, "_selected_action": [str(OBJECTS[model]().pk)]}
        url = reverse(f"admin:{model}_changelist")
        assert served(people, lambda client: forge(client, url, form)) == in_order(matrix.ACTIONS[name])
        return
    url, line = url_of(name), matrix.lines()[name]
    got = served(people, lambda client: client.get(url)), served(people, lambda client: client.post(url))
    assert got == (in_order(line.get), in_order(line.post))


def forge(client: Client, url: str, form: dict[str, Any]) -> Any:
    """The answer to a POST of an action that the list may not have offered. Django answers one that it did not offer
    with the list itself, and does nothing; one that is done with a question or a way on."""
    answer: Any = client.post(url, form)
    return HttpResponse(status=403) if answer.context is not None and "cl" in answer.context else answer
