"""What comes into the audit from elsewhere: verbs of the rooms below, rows that are set, people who come and go."""

from __future__ import annotations

from typing import Any, Final

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.utils import timezone

from admin_portal.audit import recording, rows
from admin_portal.audit.differences import difference
from admin_portal.models import AuditEntry
from channels import acting
from channels.signals import Change, changed

#: What somebody typed as a user's name may be anything, also their password: so much of it, and no more.
_TYPED: Final = 64


def connect() -> None:
    """From now on, everything is written down."""
    rows.connect()
    changed.connect(_record_change, dispatch_uid="audit.changed")
    user_logged_in.connect(_logged_in, dispatch_uid="audit.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="audit.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="audit.login_failed")
    user_locked_out.connect(_locked_out, dispatch_uid="audit.locked_out")


def _record_change(change: Change, **_kwargs: Any) -> None:
    actor = acting.current()
    before, after = difference(change.before, change.after)
    recording.record(
        actor=change.actor or actor.name,
        origin=actor.origin,
        action=change.action,
        target=change.target,
        before=before,
        after=after,
        reason=change.reason,
        now=timezone.now(),
    )


def _note(action: str, *, actor: str, target: str, after: dict[str, Any] | None = None) -> None:
    origin = acting.current().origin
    recording.record(actor=actor, origin=origin, action=action, target=target, after=after, now=timezone.now())


def _logged_in(user: Any, **_kwargs: Any) -> None:
    _note("login.succeeded", actor=user.get_username(), target=f"user:{user.get_username()}")


def _logged_out(user: Any, **_kwargs: Any) -> None:
    if user is not None:
        _note("logout", actor=user.get_username(), target=f"user:{user.get_username()}")


def _login_failed(credentials: dict[str, Any], request: Any = None, **_kwargs: Any) -> None:
    if getattr(request, "axes_locked_out", False):
        return  # who is locked out may go on knocking: that is one entry (below), not thousands
    _note("login.failed", actor="anonymous", target=f"user:{str(credentials.get('username', ''))[:_TYPED]}")


def _locked_out(username: str | None, **_kwargs: Any) -> None:
    action, target = "login.locked_out", f"user:{(username or '')[:_TYPED]}"
    since, origin = timezone.now() - settings.AXES_COOLOFF_TIME, acting.current().origin
    if not AuditEntry.objects.filter(action=action, target=target, origin=origin, at__gt=since).exists():
        _note(action, actor="anonymous", target=target)
