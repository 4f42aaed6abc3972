"""The people who may come in here, their groups, and who is locked out, in django-unfold's dress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from admin_portal import audit
from admin_portal.access import two_factor
from admin_portal.admin.base import CappedPaginator, ModelAdmin, ReadOnlyAdmin, action, display, moment, page

if TYPE_CHECKING:
    GroupBase = DjangoGroupAdmin
    UserBase = DjangoUserAdmin[User]
else:

    class UserBase(DjangoUserAdmin, ModelAdmin):
        """Django's pages for users in the dress of the rest."""

    class GroupBase(DjangoGroupAdmin, ModelAdmin):
        """Django's pages for groups in the dress of the rest."""


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(UserBase):
    """Users."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")
    actions_detail = ("remove_second_factor",)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser hands out rights: who may edit users must not be able to promote themselves."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        return (*fields, "is_staff", "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nor take a superuser's place by changing their password."""
        if isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nor remove them."""
        if isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)

    def has_reset_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who takes a second factor away opens a door: superusers only."""
        return bool(request.user.is_superuser)

    @action(
        description=_("Remove the second factor"),
        icon="phonelink_erase",
        variant=ActionVariant.DANGER,
        permissions=["reset"],
        url_path="remove-second-factor",
    )
    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Helps somebody who lost their phone and their recovery codes, after a question."""
        user: User | None = self.get_object(request, object_id)
        if user is None:
            raise Http404
        if request.method != "POST":
            title = _("Remove the second factor of %(user)s?") % {"user": user}
            return page(request, self, "admin_portal/remove_second_factor.html", title=title, obj=user)
        if two_factor.remove(user, actor=request.user.get_username(), now=timezone.now()):
            messages.success(request, _("%(user)s comes in with the password alone now.") % {"user": user})
        else:
            messages.warning(request, _("%(user)s has no second factor.") % {"user": user})
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=(user.pk,)))


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """Failed attempts to sign in that still count. Deleting one unlocks the name for that address."""

    list_display = ("username", "ip_address", "failures_since_start", "shown_at")
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time")
    readonly_fields = fields
    paginator = CappedPaginator

    @display(description=_("last attempt"), ordering="attempt_time")
    def shown_at(self, attempt: AccessAttempt) -> str:
        return moment(attempt.attempt_time)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    def delete_model(self, request: HttpRequest, obj: AccessAttempt) -> None:
        """Unlocks."""
        self._unlock(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """Unlocks all of them."""
        self._unlock(request, list(queryset))

    def _unlock(self, request: HttpRequest, attempts: list[AccessAttempt]) -> None:
        with transaction.atomic():
            for attempt in attempts:
                AccessAttempt.objects.filter(pk=attempt.pk).delete()
            for attempt in attempts:
                audit.record(
                    actor=request.user.get_username(),
                    action="login.unlocked",
                    target=f"user:{attempt.username}",
                    before={"address": attempt.ip_address, "failures": attempt.failures_since_start},
                    now=timezone.now(),
                )


@admin.register(Group)
class GroupAdmin(GroupBase):
    """Groups: a set of permissions by name."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changing a group hands out rights, which only a superuser does."""
        return bool(request.user.is_superuser) and super().has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and super().has_add_permission(request)
