"""The frame around every page: sidebar, environment label, style sheet. django-unfold calls these by name (UNFOLD)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from admin_portal.board import waiting
from admin_portal.board.waiting import Waiting

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the sidebar. ``permission`` is what it takes to see it; none: being staff."""

    title: Text
    icon: str
    url_name: str
    permission: str = ""
    badge: Callable[[Waiting], int] | None = None


def _requests(found: Waiting) -> int:
    """How many approvals and reviews wait for this person: where they are told also when no channel works."""
    return (found.approvals or 0) + (found.reviews or 0)


def _runs(found: Waiting) -> int:
    """The same of plans' runs."""
    return (found.runs or 0) + (found.run_reviews or 0)


GROUPS: tuple[tuple[Text, tuple[Page, ...]], ...] = (
    ("", (Page(_("Live board"), "monitoring", "admin:index"),)),
    (
        _("Steering"),
        (
            Page(
                _("Degradations"),
                "tune",
                "admin:admin_portal_degradationrequest_changelist",
                "admin_portal.view_degradationrequest",
                _requests,
            ),
            Page(_("Plans"), "menu_book", "admin:admin_portal_plan_changelist", "admin_portal.view_plan"),
            Page(
                _("Runs of plans"),
                "playlist_play",
                "admin:admin_portal_planrun_changelist",
                "admin_portal.view_planrun",
                _runs,
            ),
            Page(_("Drills"), "exercise", "admin:admin_portal_drill_changelist", "admin_portal.view_drill"),
            Page(_("Drill runs"), "science", "admin:admin_portal_drillrun_changelist", "admin_portal.view_drillrun"),
            Page(
                _("Approval rules"),
                "fact_check",
                "admin:admin_portal_approvalrule_changelist",
                "admin_portal.change_approvalrule",
            ),
        ),
    ),
    (
        _("Messages"),
        (
            Page(_("Notifications"), "send", "admin:notify_notification_changelist", "notify.view_notification"),
            Page(_("Batches"), "stacks", "admin:notify_batch_changelist", "notify.view_batch"),
            Page(_("Dead letters"), "report", "admin:notify_deadletter_groups", "notify.view_deadletter"),
            Page(_("Held"), "pause_circle", "admin:admin_portal_helddelivery_changelist", "notify.view_delivery"),
            Page(_("Jobs"), "checklist", "admin:admin_portal_deskjob_changelist", "admin_portal.view_deskjob"),
            Page(_("Templates"), "article", "admin:notify_template_changelist", "notify.view_template"),
        ),
    ),
    (
        _("Ways out"),
        (
            Page(_("Channels"), "alt_route", "admin:channels_channel_changelist", "channels.view_channel"),
            Page(_("Providers"), "cell_tower", "admin:channels_provider_changelist", "channels.view_provider"),
            Page(_("Policies"), "rule", "admin:channels_policy_changelist", "channels.view_policy"),
        ),
    ),
    (
        _("Access"),
        (
            Page(_("Applications"), "apps", "admin:notify_application_changelist", "notify.view_application"),
            Page(_("API keys"), "key", "admin:notify_apikey_changelist", "notify.view_apikey"),
            Page(_("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
            Page(_("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
            Page(_("Locked out"), "lock_person", "admin:axes_accessattempt_changelist", "axes.view_accessattempt"),
            Page(_("Audit"), "history_edu", "admin:admin_portal_auditentry_changelist", "admin_portal.view_auditentry"),
        ),
    ),
)


def _allows(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: not permission or request.user.has_perm(permission)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar that hold a page this person may see."""
    groups, found = [], waiting.decisions(request.user, now=timezone.now())
    for title, pages in GROUPS:
        items = [
            {
                "title": page.title,
                "icon": page.icon,
                "link": reverse(page.url_name),
                "badge": page.badge(found) if page.badge is not None else 0,
            }
            for page in pages
            if _allows(page.permission)(request)
        ]
        if items:
            groups.append({"title": title, "separator": bool(title), "items": items})
    return groups


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """The links of the menu under a person's name."""
    links = [{"title": _("My access"), "link": reverse("account:overview")}]
    if isinstance(request.user, User) and request.user.has_usable_password():
        links.append({"title": _("Change password"), "link": reverse("admin:password_change")})
    return links


def environment(request: HttpRequest) -> list[str] | None:
    """The label at the top of every page: people must see that what they look at is not production."""
    return [gettext("Demo"), "info"] if settings.DEMO else None


def stylesheet(request: HttpRequest) -> str:
    """The little that django-unfold's own style sheet lacks."""
    return static("admin_portal/portal.css")


def favicon(request: HttpRequest) -> str:
    """The icon of the browser's tab."""
    return static("admin_portal/favicon.svg")
