"""Jobs of the desk: how far each is, live, and a way to stop it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from admin_portal.admin.base import ReadOnlyAdmin, display, label, moment
from admin_portal.admin.held import RESOLVE_HELD
from admin_portal.desk import jobs
from admin_portal.desk.selection import DEAD_LETTER_KINDS
from admin_portal.models.desk import DeskJob, JobState
from notify.models import Application

#: htmx stops asking (https://htmx.org/docs/#polling).
STOP_POLLING: Final = 286
#: Which of the states of a message each looks like.
LOOKS: Final = {
    JobState.WAITING: "queued",
    JobState.RUNNING: "sending",
    JobState.DONE: "sent",
    JobState.CANCELLED: "cancelled",
    JobState.FAILED: "failed",
}


@admin.register(DeskJob)
class DeskJobAdmin(ReadOnlyAdmin):
    """Jobs of the desk, the newest first."""

    detail_template = "admin_portal/desk/job.html"
    list_display = ("asked_at", "kind", "which", "author", "shown_state", "progress")
    list_filter = ("kind", "state")
    ordering = ("-id",)
    sortable_by = ()
    actions = None

    @display(description=_("created at"))
    def asked_at(self, job: DeskJob) -> str:
        return moment(job.created_at)

    @display(description=_("which"))
    def which(self, job: DeskJob) -> str:
        return ", ".join(_criteria(job).values()) or str(_("All"))

    @display(description=_("state"))
    def shown_state(self, job: DeskJob) -> SafeString:
        return _state(job)

    @display(description=_("progress"))
    def progress(self, job: DeskJob) -> str:
        return f"{job.looked_at:,} / {job.total:,}"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(
            request.user.has_perm(name)
            for name in ("admin_portal.view_deskjob", "notify.change_deadletter", RESOLVE_HELD)
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def may_cancel(self, request: HttpRequest, job: DeskJob) -> bool:
        """Who may decide on what it is about."""
        return request.user.has_perm("notify.change_deadletter" if job.kind in DEAD_LETTER_KINDS else RESOLVE_HELD)

    def title(self, obj: DeskJob) -> str:
        return str(obj.get_kind_display()).capitalize()

    def detail_context(self, request: HttpRequest, obj: DeskJob) -> dict[str, Any]:
        """How far it is."""
        return {
            "job": obj,
            "state": _state(obj),
            "criteria": _criteria(obj),
            "may_cancel": obj.is_open and self.may_cancel(request, obj),
            "rate": _rate(obj),
        }

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path("<uuid:job_id>/progress/", site.admin_view(self.progress_view), name="admin_portal_deskjob_progress"),
            path("<uuid:job_id>/cancel/", site.admin_view(self.cancel_view), name="admin_portal_deskjob_cancel"),
            *super().get_urls(),
        ]

    def progress_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """The part of the page that changes."""
        job = self._job(request, job_id)
        response = render(request, "admin_portal/desk/job_progress.html", self.detail_context(request, job))
        response.status_code = 200 if job.is_open else STOP_POLLING
        response["Cache-Control"] = "no-store"
        return response

    def cancel_view(self, request: HttpRequest, job_id: UUID) -> HttpResponse:
        """Stops it; what was done stays done."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self._job(request, job_id)
        if not self.may_cancel(request, job):
            raise PermissionDenied
        actor, origin = request.user.get_username(), request.META.get("REMOTE_ADDR", "")
        if jobs.cancel(job_id=job.pk, actor=actor, origin=origin, now=timezone.now()):
            messages.success(request, _("Stopped. What was done stays done."))
        else:
            messages.warning(request, _("It was over already."))
        return HttpResponseRedirect(reverse("admin:admin_portal_deskjob_change", args=(job.pk,)))

    def _job(self, request: HttpRequest, job_id: UUID) -> DeskJob:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = DeskJob.objects.filter(pk=job_id).first()
        if job is None:
            raise Http404
        return job


def _state(job: DeskJob) -> SafeString:
    return label(LOOKS[JobState(job.state)], job.get_state_display())


def _criteria(job: DeskJob) -> dict[str, str]:
    found = {name: str(value) or str(_("nobody was asked")) for name, value in job.criteria.items()}
    if "application" in found:
        name = Application.objects.filter(pk=job.criteria["application"]).values_list("name", flat=True).first()
        found["application"] = name or "–"
    return found


def _rate(job: DeskJob) -> float | None:
    """Rows a second, once there is something to go by."""
    if job.started_at is None or not job.looked_at:
        return None
    seconds = ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
    return job.looked_at / seconds if seconds >= 1 else None
