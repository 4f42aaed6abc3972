"""The board's page and the part of it that refreshes: only what a person may see elsewhere, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from admin_portal.board import attention, queries, rows, traffic, waiting
from admin_portal.board.attention import Scene
from admin_portal.board.queries import NONE
from admin_portal.board.traffic import Traffic, Traffics
from monitoring.health import doctor
from notify import judging, lifeboat

VIEW_BOARD: Final = "admin_portal.view_board"
#: How often the page asks for itself. Seconds.
EVERY_S: Final = 5
_NO_TRAFFIC: Final = Traffics({}, {})
#: What is behind a number: the page, and who may open it (any of them).
_LINKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "notifications": ("admin:notify_notification_changelist", ("notify.view_notification",)),
    "dead": ("admin:notify_deadletter_groups", ("notify.view_deadletter",)),
    "dead_list": ("admin:notify_deadletter_changelist", ("notify.view_deadletter",)),
    "held": ("admin:admin_portal_helddelivery_changelist", ("notify.view_delivery", "admin_portal.resolve_held")),
    "jobs": (
        "admin:admin_portal_deskjob_changelist",
        ("admin_portal.view_deskjob", "notify.change_deadletter", "admin_portal.resolve_held"),
    ),
    "audit": ("admin:admin_portal_auditentry_changelist", ("admin_portal.view_auditentry",)),
    "channels": ("admin:channels_channel_changelist", ("channels.view_channel",)),
    "providers": ("admin:channels_provider_changelist", ("channels.view_provider",)),
    "requests": ("admin:admin_portal_degradationrequest_changelist", ("admin_portal.view_degradationrequest",)),
    "runs": ("admin:admin_portal_planrun_changelist", ("admin_portal.view_planrun",)),
    "drill_runs": ("admin:admin_portal_drillrun_changelist", ("admin_portal.view_drillrun",)),
    "plans": ("admin:admin_portal_plan_changelist", ("admin_portal.view_plan",)),
}
#: Links to a part of a list.
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "approvals": ("requests", "state=pending"),
    "reviews": ("requests", "review=due"),
    "awaited_runs": ("runs", "state=pending"),
    "run_reviews": ("runs", "review=due"),
}


@dataclass(frozen=True, slots=True)
class Watchman:
    """One that looks after the platform, and when it was last seen doing so."""

    label: Any
    silent: bool
    age_s: float | None
    worker: str


def links(request: HttpRequest) -> dict[str, str]:
    """The addresses that this person may open, by name."""
    found: dict[str, str] = {}
    for name, (url_name, permissions) in _LINKS.items():
        if any(request.user.has_perm(one) for one in permissions):
            try:
                found[name] = reverse(url_name)
            except NoReverseMatch:
                continue
    for name, (page, query) in _PARTS.items():
        if page in found:
            found[name] = f"{found[page]}?{query}"
    return found


def board(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """What the board shows to this person."""
    may = request.user.has_perm
    sees_dead = may("notify.view_deadletter")
    sees_held = may("notify.view_delivery") or may("admin_portal.resolve_held")
    with queries.patiently():
        ways = queries.remember("ways", lambda: queries.ways(now=now))
        pulses = queries.remember("pulses", queries.pulses)
        lanes = queries.remember("lanes", lambda: queries.lanes(now=now))
        traffics = queries.remember("traffic", lambda: traffic.read(now=now))
        dead = queries.remember("dead", queries.open_dead_letters) if sees_dead else {}
        held = queries.remember("held", queries.held) if sees_held else {}
        jobs = queries.remember("jobs", lambda: queries.desk_jobs(now=now)) if sees_held else None
    channels = rows.channel_rows(
        ways or queries.NO_WAYS, lanes=lanes or {}, traffics=traffics or _NO_TRAFFIC, dead=dead or {}, held=held or {}
    )
    report = doctor.report()
    scene = Scene(
        channels=channels,
        checks=report.checks,
        pulses=pulses,
        dead=sum((dead or {}).values(), NONE),
        held=sum((held or {}).values(), NONE),
        waiting=waiting.find(request.user, now=now),
        jobs=jobs,
        unread=any(part is None for part in (ways, lanes, traffics, dead, held)),
    )
    return {
        "now": now,
        "items": attention.find(scene),
        "scene": scene,
        "used": [row for row in channels if row.is_used],
        "unused": [row.name for row in channels if not row.is_used],
        "total": _total(traffics or _NO_TRAFFIC),
        "due": sum((row.depth for row in channels), NONE),
        "oldest_age_s": max((row.oldest_age_s for row in channels), default=0.0),
        "degradations": rows.degradation_rows(ways) if ways else [],
        "checks": report.checks,
        "watchmen": _watchmen(scene),
        "links": links(request),
        "sees": {"dead": sees_dead, "held": sees_held},
    }


def _total(traffics: Traffics) -> Traffic:
    whole = Traffic()
    for one in traffics.channels.values():
        for mine, theirs in zip(whole.spans, one.spans, strict=True):
            mine.successes += theirs.successes
        whole.lately.successes += one.lately.successes
    return whole


def _watchmen(scene: Scene) -> list[Watchman]:
    found = []
    for name, label in ((judging.PULSE, _("judging")), (lifeboat.PULSE, _("lifeboat"))):
        pulse = (scene.pulses or {}).get(name)
        age, worker = (pulse.age_s, pulse.worker) if pulse else (None, "")
        found.append(Watchman(label, attention.is_silent(pulse), age, worker))
    return found


def extend_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The admin's home. django-unfold calls it by name (UNFOLD["DASHBOARD_CALLBACK"])."""
    shown = board(request, now=timezone.now()) if request.user.has_perm(VIEW_BOARD) else None
    return {**context, "board": shown, "every_s": EVERY_S, "title": _("Live board"), "subtitle": None}


def part(request: HttpRequest) -> HttpResponse:
    """What the page replaces itself with. Who was signed out meanwhile is told so, and not sent to another page: the
    answer goes into the middle of this one."""
    if not admin.site.has_permission(request):
        return HttpResponse(status=401)
    if not request.user.has_perm(VIEW_BOARD):
        return HttpResponse(status=403)
    response = render(request, "admin_portal/board/board.html", {"board": board(request, now=timezone.now())})
    response["Cache-Control"] = "no-store"
    return response
