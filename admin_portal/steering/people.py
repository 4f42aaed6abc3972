"""Who may do what to a request. Asked of the database each time: a permission may have been taken away a moment ago."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User

from admin_portal.steering.errors import NotPermitted

REQUEST: Final = "admin_portal.request_degradation"
APPROVE: Final = "admin_portal.approve_degradation"
BREAK_GLASS: Final = "admin_portal.break_glass"
_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


def entitled(user: User, *permissions: str) -> User:
    """``user`` as the database has them now. Raises NotPermitted unless they are active and have one of
    ``permissions``."""
    fresh = User.objects.filter(pk=user.pk, is_active=True, is_staff=True).first()
    if fresh is None or not any(fresh.has_perm(one) for one in permissions):
        raise NotPermitted
    return fresh


def approvers(*, without: frozenset[int] = frozenset()) -> list[User]:
    """Everybody who may approve, but for the users ``without``."""
    found = User.objects.with_perm(APPROVE, backend=_BACKEND).filter(is_active=True, is_staff=True)
    return list(found.exclude(pk__in=without).order_by("username"))
